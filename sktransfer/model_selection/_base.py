"""What the target splitters share: which rows are tested, which always train."""

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.metadata_routing import UNUSED

from sktransfer._domains import label_array, resolve_domains
from sktransfer._validation import check_choice

__all__ = ["BaseTargetSplit", "stratification_codes"]


class BaseTargetSplit(BaseCrossValidator):
    """Split the labelled target rows; all other rows always train.

    A splitter writes `__init__`, ``_check_params()`` and ``_inner(stratified)``, which
    returns the scikit-learn splitter that is put over the labelled target rows.
    """

    # An alias of the class: under metadata routing the metadata `sample_domain` arrives
    # as `groups`; without routing a search hands `groups` on by that name. Both give
    # the same call. `sample_domain` is for those who call `split` themselves.
    __metadata_request__split = {"groups": "sample_domain", "sample_domain": UNUSED}

    def split(self, X, y=None, groups=None, sample_domain=None):
        """Generate the row numbers of training and test folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order; only their number is read.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels, unlabelled rows marked.
        groups : array-like of shape (n_samples,), default=None
            Where each row is from: positive integers or "source", negative integers
            or "target". The name that a search without metadata routing passes on.
        sample_domain : array-like of shape (n_samples,), default=None
            The same as `groups`, by its usual name; pass one of the two.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Row numbers of all source rows, all unlabelled rows and the labelled target
            rows that are trained on.
        test : ndarray of shape (n_test,)
            Row numbers of the labelled target rows to test on.
        """
        self._check_params()
        check_choice("stratify", self.stratify, ("auto", True, False))
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        y, tested = self._labeled_target(y, groups, sample_domain, n_samples)
        codes = stratification_codes(y[tested], self.stratify)
        self._check_enough(len(tested), codes)
        inner = self._inner(codes is not None)
        strata = np.zeros(len(tested)) if codes is None else codes
        others = np.setdiff1d(np.arange(n_samples), tested)
        for train, test in inner.split(np.zeros((len(tested), 1)), strata):
            yield np.sort(np.r_[others, tested[train]]), np.sort(tested[test])

    def get_n_splits(self, X=None, y=None, groups=None, sample_domain=None):
        """Return the number of splits.

        Parameters
        ----------
        X : object, default=None
            Not read.
        y : object, default=None
            Not read.
        groups : object, default=None
            Not read.
        sample_domain : object, default=None
            Not read.

        Returns
        -------
        int
            Number of splits.
        """
        self._check_params()
        return int(self.n_splits)

    def _labeled_target(self, y, groups, sample_domain, n_samples):
        name = type(self).__name__
        if groups is not None and sample_domain is not None:
            raise ValueError(
                f"{name} got both `groups` and `sample_domain`. They mean the same: "
                "pass one of them."
            )
        domain = groups if sample_domain is None else sample_domain
        if y is None:
            raise ValueError(
                f"{name} needs y: test folds hold the labelled target rows, got None."
            )
        if domain is None:
            raise ValueError(
                f"{name} needs to know which rows are target rows, got neither "
                "`sample_domain` nor `groups`. Pass sample_domain= to split, or to the "
                "fit of a search with metadata routing; pass groups= to a search "
                "without it. Unlabelled rows alone cannot name the labelled target "
                "rows that are tested."
            )
        y = label_array(y)
        domains = resolve_domains(y, domain, n_samples, unlabeled=self.unlabeled)
        tested = np.flatnonzero(domains.is_target & domains.labeled)
        if not len(tested):
            raise ValueError(
                f"{name} found no labelled target row to test on: all "
                f"{int(domains.is_target.sum())} target rows are unlabelled. Label "
                "some of them, or judge by a score that needs no target label."
            )
        return y, tested

    def _check_enough(self, n_tested, codes):
        """Say what is missing in our words; scikit-learn does not know the domains."""
        name = type(self).__name__
        if n_tested < self._least_rows():
            raise ValueError(
                f"{name} needs at least {self._least_rows()} labelled target rows for "
                f"n_splits={self.n_splits}, got {n_tested}. Use fewer splits or label "
                "more target rows."
            )
        if codes is None:
            return
        counts = np.bincount(codes)
        if not self._strata_suffice(counts):
            raise ValueError(
                f"{name} cannot spread the classes of the {n_tested} labelled target "
                f"rows over the folds: they have {counts.min()} to {counts.max()} rows "
                f"each with n_splits={self.n_splits}. Use fewer splits, "
                "stratify=False, or label more target rows."
            )


def stratification_codes(labels, stratify):
    """Return class numbers of the labels to stratify by, or None.

    Parameters
    ----------
    labels : ndarray of shape (n_labeled,) or (n_labeled, n_outputs)
        Labels of labelled rows only.
    stratify : {"auto", True, False}
        "auto": integer, string and bool labels are classes; floats, and labels with
        several columns, are values.

    Returns
    -------
    ndarray of shape (n_labeled,) or None
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.ravel()
    if stratify == "auto" and labels.dtype.kind == "O" and labels.ndim == 1:
        # Nullable or mixed containers: what counts is what they hold.
        labels = np.array(labels.tolist())
    classes = labels.ndim == 1 and labels.dtype.kind in "iubUS"
    if not stratify or (stratify == "auto" and not classes):
        return None
    if labels.ndim > 1:
        raise ValueError(
            "stratify=True needs one label a row, got y with "
            f"{labels.shape[1]} columns. Use stratify=False."
        )
    if labels.dtype.kind == "O":
        labels = np.array(labels.tolist())
    return np.unique(labels, return_inverse=True)[1]
