"""What estimators share that carry a source model over to labelled target rows."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from sktransfer._compat import check_sample_weight
from sktransfer._domains import (
    Domains,
    domain_mask,
    is_unlabeled,
    label_array,
    resolve_domains,
)
from sktransfer._whole_estimators import (
    BaseWholeClassifier,
    BaseWholeEstimator,
    BaseWholeRegressor,
    ProbabilitiesMixin,
)
from sktransfer.exceptions import NoTargetWarning

__all__ = [
    "BaseSourceTransfer",
    "BaseSourceTransferClassifier",
    "BaseSourceTransferRegressor",
    "LabelledRows",
]


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows of positive weight.

    Attributes
    ----------
    X : {ndarray, sparse matrix} of shape (n_rows, n_features), float64
        Rows.
    y : ndarray of shape (n_rows,)
        Labels.
    weight : ndarray of shape (n_rows,)
        Weights, > 0.
    domain : ndarray of shape (n_rows,)
        Numbers of the domains, < 0 for targets.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    domain: np.ndarray

    def take(self, mask):
        """Return some of the rows, without a copy where it is all of them."""
        rows = np.flatnonzero(mask)
        if len(rows) == len(self.y):
            return self
        return LabelledRows(
            self.X[rows], self.y[rows], self.weight[rows], self.domain[rows]
        )

    @property
    def source(self):
        """The source rows."""
        return self.take(self.domain > 0)

    @property
    def target(self):
        """The target rows."""
        return self.take(self.domain < 0)

    @property
    def source_domains(self):
        """Numbers of the source domains that have labelled rows, ascending."""
        return np.unique(self.domain[self.domain > 0])


def _domains(y, sample_domain, *, regression, fits_source):
    """Resolve domains; with given source models all rows may be target rows."""
    if fits_source:
        return resolve_domains(y, sample_domain, len(y), regression=regression)
    domain = np.full(len(y), -1)
    if sample_domain is not None:
        domain = domain_mask(sample_domain, len(y))
        if len(np.unique(np.sign(domain))) == 2:
            return resolve_domains(y, sample_domain, len(y), regression=regression)
    if is_unlabeled(y, regression=regression).all():
        return Domains(domain, np.zeros(len(y), dtype=bool))
    labeled = resolve_domains(y, None, len(y), regression=regression).labeled
    return Domains(domain, labeled)


class BaseSourceTransfer(BaseWholeEstimator):
    """Validation: labelled source rows and labelled target rows with their weights."""

    def _labelled_rows(self, X, y, sample_domain, sample_weight, *, fits_source):
        regression = is_regressor(self)
        X = self._check_X(X, reset=True)
        self._check_given(y)
        y = column_or_1d(label_array(y), warn=True)
        if len(y) != X.shape[0]:
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"X has {X.shape[0]} rows, y has {len(y)}."
            )
        domains = _domains(
            y, sample_domain, regression=regression, fits_source=fits_source
        )
        weight = np.ones(len(y))
        if sample_weight is not None:
            weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        kept = np.flatnonzero(domains.labeled & (weight > 0))
        known = y[kept]
        if regression and len(known):
            known = check_array(
                known, dtype=np.float64, ensure_2d=False, input_name="y"
            )
        elif len(known):
            if known.dtype.kind == "O":
                known = np.array(known.tolist())
            check_classification_targets(known)
        if fits_source:
            self._check_labeled_source(
                Domains(domains.domain[kept], np.ones(len(kept), bool)),
                "regressor" if regression else "classifier",
            )
        rows = X if len(kept) == X.shape[0] else X[kept]
        rows = rows.astype(np.float64, copy=False)
        return LabelledRows(rows, known, weight[kept], domains.domain[kept])

    def _warn_source_alone(self, reason, remedy):
        warnings.warn(
            f"{type(self).__name__} {reason}, so it is the source model itself. "
            f"{remedy}",
            NoTargetWarning,
            stacklevel=3,
        )

    def _warn_no_labelled_target(self):
        self._warn_source_alone(
            "found no labelled target row",
            "Label some target rows and pass sample_domain.",
        )


class BaseSourceTransferClassifier(
    ProbabilitiesMixin, BaseWholeClassifier, BaseSourceTransfer
):
    """Base of classifiers.

    A concrete class writes `fit`, and ``_scores(X)``: probabilities, one column a
    class, for checked rows.
    """


class BaseSourceTransferRegressor(BaseWholeRegressor, BaseSourceTransfer):
    """Base of regressors.

    A concrete class writes `fit`, and ``_predict(X)``: one value for each checked row.
    """
