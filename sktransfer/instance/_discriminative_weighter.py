"""Weights from a classifier that tells target rows from source rows."""

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, get_tags

from sktransfer._joined_rows import join_rows
from sktransfer._validation import check_choice, check_integer
from sktransfer.instance._discrimination import cross_fit, domain_folds
from sktransfer.instance._ratio_weighter import BaseRatioWeighter
from sktransfer.instance._row_groups import row_groups
from sktransfer.instance._smallest_sample import smallest_sample

__all__ = ["DiscriminativeWeighter"]

_CERTAIN = 0.999
_FEWEST_ROWS = 10


class DiscriminativeWeighter(BaseRatioWeighter):
    r"""Weigh source rows by the odds that a classifier takes them for target rows.

    Any probabilistic classifier learns to tell target rows from source rows; its odds
    are the ratio of the densities, up to the share of the domains. Each training row is
    weighed by a classifier that did not see it: a flexible one would otherwise know its
    rows by heart, and give them weights near zero.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Reads no labels.

    Cost: ``cv`` fits of the classifier on the rows of both domains; with the default
    ``O(cv (n_source + n_target) p)`` a step. 100,000 + 100,000 rows of 20 columns take
    some seconds.

    It hurts where the classifier is too simple for the shift (the default one gives
    ratios that are linear in the columns, in logarithms: for a target that is narrower
    than the source add squares, or take a boosted ensemble), or where it tells the
    domains apart for certain: see `auc_`.

    Parameters
    ----------
    estimator : classifier, default=None
        Any classifier with `predict_proba`. With `calibration` `decision_function` is
        enough. None: logistic regression on standardised columns. Where it has
        `random_state=None`, the one of this weighter is set.
    cv : int, default=5
        Number of folds. Copies of a row are in one fold, but rows that both domains
        have, values of discrete columns for example, are held out one by one.
        None: one classifier on all rows, and training rows are weighed by it.
    calibration : {"sigmoid", "isotonic"}, default=None
        Correct the odds by those observed on held-out rows: for classifiers that are
        too sure, or not sure enough. It needs `cv`.
    clip : float, default=None
        Largest ratio to its mean; larger ones are cut.
    flatten : float, default=1.0
        Exponent of the ratio, 0 to 1: smaller ones make the weights more even.
    random_state : int, RandomState instance or None, default=0
        Deals the rows to folds, by their content, and seeds `estimator`.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    auc_ : ndarray of shape (n_source_domains,)
        How well held-out rows of each source domain are told from target rows: 0.5 not
        at all, 1 for certain, and then weights can do little: from 0.999 on a
        `WeightCollapseWarning` says that the domains do not overlap.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    ratios_ : list
        For each source domain, the logarithm of the ratio as a function of rows.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.KernelMeanMatchingWeighter : Matches means instead of classifying.
    sktransfer.GaussianWeighter : The ratio of two Gaussians.

    Notes
    -----
    With :math:`p(x)` the probability that a row x is from the target, among
    :math:`n_s` source and :math:`n_t` target rows of training [1]_,

    .. math::

       \frac{p_t(x)}{p_s(x)} = \frac{n_s}{n_t} \frac{p(x)}{1 - p(x)} .

    The odds are read in logarithms: from `decision_function` where that is the log
    odds, from `predict_log_proba` where that is more than a logarithm of the
    probabilities, else from `predict_proba`, within 1 / (n + 2) of zero and one. New
    rows get the mean of the log ratios of all folds' classifiers. Where all rows of a
    domain are given k times they count once, whatever the classifier. A domain whose
    rows are all equal is never held out.

    References
    ----------
    .. [1] S. Bickel, M. Brückner, T. Scheffer. Discriminative Learning Under Covariate
       Shift. Journal of Machine Learning Research 10, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import DiscriminativeWeighter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(500, 1)), rng.normal(size=(500, 1)) + 1]
    >>> sample_domain = np.repeat([1, -1], 500)
    >>> weighter = DiscriminativeWeighter().fit(X, sample_domain=sample_domain)
    >>> weights = weighter.sample_weight_[:500]
    >>> round(float(np.average(X[:500, 0], weights=weights)), 1)
    0.9
    >>> true_log_ratio = X[:500, 0] - 0.5
    >>> float(np.corrcoef(np.log(weights), true_log_ratio)[0, 1]) > 0.99
    True
    """

    def __init__(
        self,
        estimator=None,
        *,
        cv=5,
        calibration=None,
        clip=None,
        flatten=1.0,
        random_state=0,
    ):
        self.estimator = estimator
        self.cv = cv
        self.calibration = calibration
        self.clip = clip
        self.flatten = flatten
        self.random_state = random_state

    def _check_params(self):
        check_integer("cv", self.cv, low=2, also=(None,))
        check_choice("calibration", self.calibration, (None, "sigmoid", "isotonic"))
        if self.calibration is not None and self.cv is None:
            raise ValueError(
                f"calibration={self.calibration!r} needs rows that are held out, but "
                "cv=None holds out none. Set cv to 2 or more."
            )
        model = self.estimator
        if model is not None and (
            isinstance(model, type)
            or not hasattr(model, "fit")
            or not (
                hasattr(model, "predict_proba") or hasattr(model, "decision_function")
            )
            or is_regressor(model)
        ):
            raise TypeError(
                "`estimator` must be a classifier with predict_proba (or, with "
                f"`calibration`, decision_function), or None, got {model!r}."
            )

    def _fit_ratio(self, X_source, X_target):
        self._check_params()
        rng = check_random_state(self.random_state)
        source, place = smallest_sample(X_source)
        X = join_rows(source, smallest_sample(X_target)[0])
        is_target = np.arange(X.shape[0]) >= source.shape[0]
        groups = row_groups(X)[0]
        # In the order of the content: some classifiers look at the order of the rows.
        order = np.lexsort((is_target, groups))
        folds = np.full(X.shape[0], -1)
        if self.cv is not None:
            folds = domain_folds(groups[order], is_target[order], self.cv, rng)
        ratio, values = cross_fit(
            X[order],
            is_target[order],
            folds,
            self._classifier(sparse.issparse(X), rng),
            self.calibration,
        )
        # Equal rows may have been held out with different folds.
        sums = np.bincount(groups[order], weights=values)
        by_row = (sums / np.bincount(groups))[groups]
        return ratio, by_row[~is_target][place]

    def _apart(self, X, domains):
        """Tell whether held-out rows of a domain are told from the target's."""
        fewest = min(min(ratio.n_rows) for ratio in self.ratios_)
        # Of few rows, or of its own training rows, any classifier may be certain.
        if self.cv is not None and fewest >= _FEWEST_ROWS:
            return np.max(self.auc_) >= _CERTAIN or super()._apart(X, domains)
        return super()._apart(X, domains)

    def _classifier(self, is_sparse, rng):
        if self.estimator is None:
            scaler = StandardScaler(with_mean=not is_sparse)
            return make_pipeline(scaler, LogisticRegression(tol=1e-6, max_iter=1000))
        model, seed = clone(self.estimator), int(rng.randint(2**31 - 1))
        unset = {
            name: seed
            for name, value in model.get_params().items()
            if name.split("__")[-1] == "random_state" and value is None
        }
        return model.set_params(**unset)

    @property
    def auc_(self):
        """Area under the ROC curve of the domain classifier, by source domain."""
        return np.array([ratio.auc for ratio in self.ratios_])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        model = self.estimator
        if model is not None and not isinstance(model, type):
            tags.input_tags.sparse = get_tags(model).input_tags.sparse
        else:
            tags.input_tags.sparse = model is None
        return tags
