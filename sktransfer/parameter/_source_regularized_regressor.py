import numpy as np

from sktransfer._validation import check_choice
from sktransfer.parameter._linear_losses import LOSSES
from sktransfer.parameter._linear_transfer import LinearTransfer, fit_towards
from sktransfer.parameter._merged_rows import merged_rows
from sktransfer.parameter._penalty_choice import check_penalties, chosen_penalty
from sktransfer.parameter._source_models import given_models, linear_parts
from sktransfer.parameter._source_transfer import BaseSourceTransferRegressor

__all__ = ["SourceRegularizedRegressor"]


class SourceRegularizedRegressor(BaseSourceTransferRegressor):
    r"""Linear regression on the target, held near the coefficients of a source.

    Ridge or Poisson regression on the labelled target rows, whose penalty is on the
    distance from the source's coefficients and not from zero. A large penalty gives the
    source's coefficients, a small one the regression on the target alone. The intercept
    is not penalised, so it is always the target's.

    Assumes that the same features matter alike in both domains: the coefficients are
    near each other, while levels and the distribution of the features may differ. Reads
    the labels of the source, unless a fitted source model is given, and those of the
    target; unlabelled rows are left out.

    Cost: squared loss one singular value decomposition of the labelled target rows,
    ``O(n p min(n, p))``, whatever the number of penalties; Poisson loss some Newton
    steps of ``O(n p)`` products each. The source rows are fitted in the same way.

    It hurts where the source's coefficients have the wrong sign or scale and the
    penalty is kept large; choose it by "gcv" or "cv". Features should be scaled, by the
    same numbers in both domains.

    Parameters
    ----------
    source : object, list or None, default=None
        Fitted linear models with `coef_` and `intercept_`. None: one is fitted on the
        labelled source rows of each source domain. Of several, the sum with weights
        learned on the labelled target rows is the source. Cross-validation clones
        parameters and drops their fit: wrap given models in
        `sklearn.frozen.FrozenEstimator` there.
    loss : {"squared", "poisson"}, default="squared"
        "poisson": counts, with logarithmic link; source models must have that link.
    alpha : float, "gcv" or "cv", default=1.0
        Penalty on half the squared distance, beside the sum of the rows' losses (half
        squared errors, or half deviances), as in `sklearn.linear_model.Ridge`. "gcv":
        by generalised cross-validation, squared loss only. "cv": by folds of the
        labelled target rows, the largest penalty within one standard error of the best.
        Equal rows count there as one row of their weight.
    alphas : array-like of float, default=None
        Penalties to choose from; None: 19 from 1e-3 to 1e6.
    n_folds : int, default=5
        Number of folds for "cv".
    source_alpha : float, default=1.0
        Penalty of the fit on the source rows, towards zero.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    source_coef_ : ndarray of shape (n_features,)
        Coefficients of the source; of several, their weighted sum.
    source_intercept_ : float
        Its intercept.
    source_weights_ : ndarray of shape (n_sources,)
        Weights of the source models, in the order given, or of the source domains, by
        ascending number.
    alpha_ : float
        The penalty used.
    alpha_scores_ : ndarray of shape (n_alphas,) or None
        Score of each penalty, ascending: generalised cross-validation, or mean loss out
        of fold. None if `alpha` is a number.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    SourceRegularizedClassifier : The same for classes.
    sktransfer.FeatureAugmenter : Shrinks both domains towards common coefficients.

    Notes
    -----
    With the coefficients :math:`w_0` of the source and row weights :math:`s_i`

    .. math:: \min_{w, b} \; \sum_i s_i \, L(w^T x_i + b, y_i)
        + \frac{\alpha}{2} \| w - w_0 \|^2 .

    For squared loss, :math:`w - w_0` is the ridge regression of what the source leaves
    unexplained. With its hat matrix H, intercept included, and residuals r of the
    source, generalised cross-validation [1]_ minimises
    :math:`n \| (I - H) r \|^2 / \mathrm{tr}(I - H)^2`.

    Several sources have :math:`w_0 = \sum_j \beta_j w_j`, as in [2]_. The weights
    minimise the loss of :math:`\sum_j \beta_j w_j^T x + b` on the labelled target rows
    over :math:`\beta_j \ge 0, \sum_j \beta_j \le 1`, in the manner of stacked
    regressions [3]_; [2]_ takes the leave-one-out loss and
    :math:`\| \beta \| \le 1` instead. All weights may be zero: no source is of use.

    References
    ----------
    .. [1] G. H. Golub, M. Heath, G. Wahba. Generalized Cross-Validation as a Method for
       Choosing a Good Ridge Parameter. Technometrics 21, 1979.
    .. [2] T. Tommasi, F. Orabona, B. Caputo. Safety in Numbers: Learning Categories
       from Few Examples with Multi Model Knowledge Transfer. CVPR, 2010.
    .. [3] L. Breiman. Stacked Regressions. Machine Learning 24, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sktransfer import SourceRegularizedRegressor
    >>> rng = np.random.RandomState(0)
    >>> X_source, X_target = rng.normal(size=(200, 5)), rng.normal(size=(8, 5))
    >>> w = np.array([1.0, 2.0, -1.0, 0.0, 3.0])
    >>> source = Ridge().fit(X_source, X_source @ w)
    >>> y_target = X_target @ (w + 0.1) + 4 + rng.normal(size=8)
    >>> model = SourceRegularizedRegressor(source, alpha="gcv").fit(X_target, y_target)
    >>> alone = Ridge().fit(X_target, y_target)
    >>> def error(coef):
    ...     return round(float(np.linalg.norm(coef - w - 0.1)), 2)
    >>> error(model.coef_), error(alone.coef_)
    (0.22, 0.72)
    """

    def __init__(
        self,
        source=None,
        *,
        loss="squared",
        alpha=1.0,
        alphas=None,
        n_folds=5,
        source_alpha=1.0,
    ):
        self.source = source
        self.loss = loss
        self.alpha = alpha
        self.alphas = alphas
        self.n_folds = n_folds
        self.source_alpha = source_alpha

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Fit on the labelled target rows, towards the source.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order. With given source models the source
            rows are left out.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are marked NaN and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with given source models, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        check_choice("loss", self.loss, tuple(LOSSES))
        squared = self.loss == "squared"
        if not squared and isinstance(self.alpha, str) and self.alpha == "gcv":
            raise ValueError(
                "alpha='gcv' is for loss='squared' only, got loss='poisson'. Use "
                "alpha='cv'."
            )
        choices = ("gcv", "cv") if squared else ("cv",)
        grid = check_penalties(
            self.alpha, self.alphas, self.n_folds, self.source_alpha, choices
        )
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        target = rows.target
        if isinstance(self.alpha, str):
            # What is chosen for a row of weight two must be so for two equal rows.
            target = merged_rows(target)
        if not squared:
            _check_counts(rows.y if self.source is None else target.y)
        coefs, intercepts = self._sources(rows)
        loss = LOSSES[self.loss]()
        if len(target.y) == 0:
            self._warn_no_labelled_target()
        elif len(loss.outputs(target.y, 1)) == 0:
            self._warn_source_alone(
                "got labelled target rows that are all 0, of which no logarithm is to "
                "be had",
                "Label target rows with counts above 0.",
            )
        transfer = LinearTransfer(
            target.X, target.y, target.weight, coefs, intercepts, loss
        )
        self.source_weights_, coef, intercept = transfer.sources()
        self.source_coef_, self.source_intercept_ = coef[0], float(intercept[0])
        self.alpha_, self.alpha_scores_ = chosen_penalty(
            transfer, self.alpha, grid, self.n_folds
        )
        coef, intercept = fit_towards(
            target.X, target.y, target.weight, coef, intercept, self.alpha_, loss
        )
        self.coef_, self.intercept_ = coef[0], float(intercept[0])
        return self

    def _sources(self, rows):
        if self.source is None:
            parts = [self._fitted(rows.source, n) for n in rows.source_domains]
        else:
            names = getattr(self, "feature_names_in_", None)
            parts = [
                linear_parts(model, self.n_features_in_, names)
                for model in given_models(self.source)
            ]
            for coef, _ in parts:
                if len(coef) != 1:
                    raise ValueError(
                        f"A source model has {len(coef)} outputs; expected a regressor "
                        "with one. Fit one for each output."
                    )
        return np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts])

    def _fitted(self, source, number):
        part = source.take(source.domain == number)
        loss = LOSSES[self.loss]()
        if len(loss.outputs(part.y, 1)) == 0:
            raise ValueError(
                f"The labelled rows of source domain {number} are all 0, of which no "
                "logarithm is to be had. Leave that domain out."
            )
        start = np.zeros((1, self.n_features_in_)), np.zeros(1)
        return fit_towards(part.X, part.y, part.weight, *start, self.source_alpha, loss)

    def _predict(self, X):
        eta = X @ self.coef_ + self.intercept_
        return np.exp(eta) if self.loss == "poisson" else eta

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags


def _check_counts(y):
    if np.any(y < 0):
        raise ValueError(
            f"loss='poisson' needs values >= 0, got {y.min()}. Use loss='squared'."
        )
