import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sktransfer._kernels import check_kernel
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.instance._label_shift_base import BaseLabelShift
from sktransfer.instance._out_of_fold import takes_sparse
from sktransfer.instance._shaped_weights import check_shape

__all__ = ["LabelShiftWeighter"]

_METHODS = ("bbse", "rlls", "em", "kmm")
_SPARSE_KERNELS = ("linear", "rbf", "poly", "cosine")


class LabelShiftWeighter(BaseLabelShift):
    r"""Weigh source rows by how much commoner their label is in the target.

    The class shares of the target are estimated from its unlabelled rows; a source row
    then weighs as its class's share in the target over that in the source. With values
    in place of classes, and ``method="kmm"``, the weight is a smooth function of the
    value. `adjust_proba` corrects a classifier that was trained already.

    Assumes label shift (target shift): the labels come in other shares, but the rows of
    a label look alike in both domains. Reads the labels of the source; those of the
    target only to warn of a class that the source lacks.

    Cost: ``n_folds + 1`` fits of `estimator` and ``O(n)`` for the rest; with
    ``method="kmm"`` no fit, but ``O(n_source (n_source + n_target) p)`` time in small
    tiles, or ``O((n_source + n_target) m p)`` with landmarks. No ``n x n`` array is
    held. 100,000 + 100,000 rows of 20 columns take less than a minute and 2 GB.

    It hurts where the rows of a class look different in the target: the shares found
    are then those that explain this difference, too. Where the domains differ in the
    rows and not in the shares, use weights of rows or an aligner. A classifier that
    hardly tells the classes apart is an error with "bbse"; with "em" one that tells
    nothing of them gives the source's shares, with a warning.

    Parameters
    ----------
    estimator : classifier, default=None
        For all methods but "kmm". It is cloned and cross-fitted on the source: rows are
        predicted by models that have not seen them, those of the target by all of
        these. A fitted classifier in
        `sklearn.frozen.FrozenEstimator` is taken as it is, and should not have seen the
        source rows of fit. None: logistic regression on scaled columns.
    method : {"bbse", "rlls", "em", "kmm"}, default="bbse"
        "bbse": black-box shift estimation, by the confusion matrix [1]_. "rlls": the
        same with a penalty on the shift, for few rows [2]_. "em": maximum likelihood
        from calibrated probabilities [3]_ [4]_, the most precise where the classifier
        is a good one. "kmm": mean of the classes' kernel means; no classifier [5]_.
    predictions : {"hard", "soft"}, default="hard"
        Whether "bbse" and "rlls" count predicted classes or average probabilities.
    calibration : {"bcts", "temperature", None}, default="bcts"
        Of "em". "bcts": temperature scaling with a bias for each class, by maximum
        likelihood on source rows.
    n_folds : int, default=5
        Number of folds of the source rows.
    regularization : float or "auto", default="auto"
        Of "rlls": weight of the penalty. "auto": a hundredth of three times the bound
        of the confusion matrix's error, as the authors have it.
    shift_scale : float, default=1.0
        Of "rlls": how much of the estimated shift is kept, 0 to 1.
    kernel : str or callable, default="rbf"
        Of "kmm": one of "linear", "rbf", "laplacian", "poly" and "cosine", or a
        function of two arrays of rows that returns their kernel matrix.
    gamma : float, "median" or None, default="median"
        Width of "rbf", "laplacian" and "poly": a number; "median": 1 over the median
        squared distance ("laplacian": L1 distance) between source rows; None:
        1 / n_features.
    solver : {"auto", "exact", "nystroem"}, default="auto"
        Of "kmm": every pair of rows, or a Nyström approximation. "auto": landmarks from
        400 million pairs on.
    n_landmarks : int, default=500
        Number of landmarks, drawn from the source rows.
    upper_bound : float, default=1000.0
        Of "kmm": no row weighs more, before the weights are scaled.
    eps : float, default=0.0
        Of "kmm": the mean weight lies between ``1 - eps`` and ``1 + eps``, before the
        weights are scaled.
    ridge : float, default=0.01
        Of "kmm" with values: penalty of the kernel ridge regression on them, for each
        row. Larger: smoother weights.
    n_knots : int, default=100
        Of "kmm" with values: their kernel is approximated on so many of them.
    clip : float, default=None
        Ratios above `clip` times their mean count as `clip`. For `sample_weight_` only.
    flatten : float, default=1.0
        Ratios are taken to this power, 0 to 1; 0 gives equal weights. For
        `sample_weight_` only.
    n_bootstrap : int, default=200
        Number of resamples of both domains for `prior_interval_`. 0: none.
    confidence_level : float, default=0.95
        Of that interval.
    random_state : int, RandomState instance or None, default=0
        For resamples and landmarks. The draw depends on the content of the rows and not
        on their order.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit, of mean one over the labelled source rows; one
        on target rows and on source rows without a label.
    classes_ : ndarray of shape (n_classes,)
        Classes of the source. This and what follows is not there for values, and not
        without target rows.
    source_prior_ : ndarray of shape (n_classes,)
        Their shares in the source.
    target_prior_ : ndarray of shape (n_classes,)
        Their estimated shares in the target.
    class_weight_ : ndarray of shape (n_classes,)
        The second over the first.
    prior_interval_ : ndarray of shape (n_classes, 2) or None
        Bootstrap interval of each share in the target; it holds the estimate. That of
        "em" also knows how far off the calibration leaves the estimate, and may lie on
        one side of it. From 0 to 1 where "em" finds that the classifier tells nothing.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    estimator_ : classifier
        A model of all labelled source rows. Fitted inside, it knows classes by their
        numbers, in the order of `classes_`. Not with "kmm".
    calibration_ : object
        Calibration of "em": its `scale` and `bias` of the log-probabilities.
    gamma_ : float
        The width used by "kmm".
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    KernelMeanMatchingWeighter : Weighs rows by X alone.
    sktransfer.LabelTransportClassifier : With "jcpot", shares by optimal transport.

    Notes
    -----
    With the class shares :math:`\pi` of the source and q of the target, a row of class
    c weighs :math:`q_c / \pi_c`. Let C be the matrix of mean predictions (columns:
    classes) and m the mean prediction of the target. "bbse" solves :math:`C q = m` and
    clips negative shares. "rlls" minimises :math:`\|\tilde C \theta - b\| + \Delta
    \|\theta\|` with :math:`\tilde C = C \,\mathrm{diag}(\pi)`, :math:`b = m - C \pi`,
    and takes the ratios :math:`1 + \lambda \theta`. "em" maximises :math:`\sum_j \log
    \sum_c q_c p_c(x_j) / \pi_c` over target rows; it is the fixed point of Saerens'
    iteration. "kmm" minimises :math:`\|\sum_c q_c \mu_c - \mu_t\|^2` with the kernel
    means of the classes and of the target; the square is estimated from pairs of
    different rows, as otherwise the shares come out too even in many columns.

    "bbse" raises unless the smallest singular value of C is above three standard
    errors. "em" keeps :math:`\pi` unless probabilities scaled to the source's labels
    have a log-likelihood that is above that of :math:`\pi` by 4.5, three standard
    deviations of chance. The scale of the calibration is never negative.

    For `prior_interval_` the rows of both domains are drawn anew, not the models: those
    of the folds predict rows of both domains that they have not seen, so that
    :math:`C q = m` holds on average whatever they learnt. The interval of "em" is
    that of black-box shift estimation with the gradients :math:`p_c(x) / \pi_c / \sum_k
    q_k p_k(x) / \pi_k` as predictions, as precise as "em" where the probabilities are
    right, and without their error where they are not. Resampled kernel means are those
    of first order.

    For values "kmm" weighs by :math:`\beta = R \alpha`, with the smoother R of kernel
    ridge regression on y with an intercept, and minimises the distance of the target's
    kernel mean to that of :math:`\frac1n \sum_i \beta_i\,\hat\mu(y_i)`, where
    :math:`\hat\mu(y)` is the conditional mean embedding of X given y by the same
    smoother, under :math:`0 \le \beta_i \le B` and the bounds of the mean. The problem
    is ill-posed: a penalty of :math:`3 / \sqrt n` of P's mean eigenvalue, P being the
    matrix of the quadratic form in :math:`\alpha`, holds :math:`\alpha` near one.

    Labels are values if they are floats of which one has a fraction, else classes. With
    several source domains one estimate of the target's class shares is made from all of
    them, as the rows of a class look alike in all, and each domain's rows are weighed
    by the shares in it, to mean one.

    References
    ----------
    .. [1] Z. C. Lipton, Y.-X. Wang, A. J. Smola. Detecting and Correcting for Label
       Shift with Black Box Predictors. ICML, 2018.
    .. [2] K. Azizzadenesheli, A. Liu, F. Yang, A. Anandkumar. Regularized Learning for
       Domain Adaptation under Label Shifts. ICLR, 2019.
    .. [3] M. Saerens, P. Latinne, C. Decaestecker. Adjusting the Outputs of a
       Classifier to New a Priori Probabilities: A Simple Procedure. Neural Computation
       14, 2002.
    .. [4] A. M. Alexandari, A. Kundaje, A. Shrikumar. Maximum Likelihood with
       Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation. ICML, 2020.
    .. [5] K. Zhang, B. Schölkopf, K. Muandet, Z. Wang. Domain Adaptation under Target
       and Conditional Shift. ICML, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LabelShiftWeighter
    >>> rng = np.random.RandomState(0)
    >>> y_source, y_target = np.arange(400) % 2, np.arange(400) % 10 == 0
    >>> X = 3.0 * np.r_[y_source, y_target][:, None] + rng.normal(size=(800, 2))
    >>> y = np.r_[y_source, np.full(400, -1)]
    >>> weighter = LabelShiftWeighter().fit(X, y)
    >>> weighter.target_prior_.round(1)
    array([0.9, 0.1])
    >>> weighter.adjust_proba([[0.5, 0.5]]).round(1)
    array([[0.9, 0.1]])
    """

    def __init__(
        self,
        estimator=None,
        method="bbse",
        *,
        predictions="hard",
        calibration="bcts",
        n_folds=5,
        regularization="auto",
        shift_scale=1.0,
        kernel="rbf",
        gamma="median",
        solver="auto",
        n_landmarks=500,
        upper_bound=1000.0,
        eps=0.0,
        ridge=0.01,
        n_knots=100,
        clip=None,
        flatten=1.0,
        n_bootstrap=200,
        confidence_level=0.95,
        random_state=0,
    ):
        self.estimator = estimator
        self.method = method
        self.predictions = predictions
        self.calibration = calibration
        self.n_folds = n_folds
        self.regularization = regularization
        self.shift_scale = shift_scale
        self.kernel = kernel
        self.gamma = gamma
        self.solver = solver
        self.n_landmarks = n_landmarks
        self.upper_bound = upper_bound
        self.eps = eps
        self.ridge = ridge
        self.n_knots = n_knots
        self.clip = clip
        self.flatten = flatten
        self.n_bootstrap = n_bootstrap
        self.confidence_level = confidence_level
        self.random_state = random_state

    def _check_params(self):
        check_choice("method", self.method, _METHODS)
        check_choice("predictions", self.predictions, ("hard", "soft"))
        check_choice("calibration", self.calibration, ("bcts", "temperature", None))
        check_integer("n_folds", self.n_folds, low=2)
        check_number("regularization", self.regularization, low=0, also=("auto",))
        check_number("shift_scale", self.shift_scale, low=0, high=1)
        check_kernel(self.kernel)
        check_choice("solver", self.solver, ("auto", "exact", "nystroem"))
        check_integer("n_landmarks", self.n_landmarks, low=1)
        check_number("eps", self.eps, low=0, high=1, high_open=True)
        check_number("upper_bound", self.upper_bound, low=1 - self.eps)
        check_number("ridge", self.ridge, low=0, low_open=True)
        check_integer("n_knots", self.n_knots, low=2)
        check_shape(self.clip, self.flatten)
        check_integer("n_bootstrap", self.n_bootstrap, low=0)
        level = {"low": 0, "high": 1, "low_open": True, "high_open": True}
        check_number("confidence_level", self.confidence_level, **level)

    def adjust_proba(self, proba):
        """Correct probabilities of a classifier for the class shares of the target.

        The classifier must have been trained on the source without weights: one that
        was trained with `sample_weight_` is corrected already.

        Parameters
        ----------
        proba : array-like of shape (n_samples, n_classes)
            Its probabilities, columns in the order of `classes_`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities times `class_weight_`, scaled to sum one; `target_prior_` for
            a row of which nothing is left. Unchanged if there was no target row in fit.
        """
        check_is_fitted(self, "sample_weight_")
        proba = check_array(proba, dtype=[np.float64, np.float32], copy=True)
        if not hasattr(self, "classes_"):
            if hasattr(self, "gamma_"):
                raise ValueError("adjust_proba is for classes, but y held values.")
            return proba
        if proba.shape[1] != len(self.classes_) or proba.min() < 0:
            raise ValueError(
                "`proba` must hold a column of numbers >= 0 for each of the classes "
                f"{self.classes_.tolist()}, got shape {proba.shape} and a minimum of "
                f"{proba.min():.3g}. Pass what predict_proba returns."
            )
        adjusted = proba * self.class_weight_.astype(proba.dtype)
        total = adjusted.sum(axis=1, keepdims=True)
        prior = np.broadcast_to(self.target_prior_, adjusted.shape)
        adjusted = np.where(total > 0, adjusted, prior)
        return (adjusted / np.where(total > 0, total, 1)).astype(proba.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.method == "kmm":
            named = isinstance(self.kernel, str) and self.kernel in _SPARSE_KERNELS
            tags.input_tags.sparse = named
        else:
            tags.input_tags.sparse = takes_sparse(self.estimator)
        return tags
