import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.joint._base import BaseJointClassifier
from sktransfer.joint._progressive_svm import class_decisions, progressive_svm
from sktransfer.joint._row_order import labelled_order

__all__ = ["DomainAdaptiveSVM"]

_ROUNDS = 20


class DomainAdaptiveSVM(BaseJointClassifier):
    r"""Domain adaptation support vector machine: walk from the source to the target.

    A support vector machine is trained on the source. Round by round the surest target
    rows inside its margin enter the training set with the label it gives them, and the
    source rows farthest from its hyperplane leave, until no source row is left. A
    target row whose label changes goes back and may enter again. Costs of source rows
    fall and those of target rows rise meanwhile. More than two classes have a machine
    each against the rest; all walk together on the same labels of target rows.

    Assumes that the classes drift so little that the machine of the source is right
    about target rows near its margin, and that the target has gaps between the
    classes. Reads the labels of the source and of labelled target rows; those stay in
    the training set, with their label, at full cost.

    Cost: one fit of `SVC` a round and class, some ``n_source / (n_classes
    n_per_round)`` rounds and a few more; one Gram matrix of all rows.

    Parameters
    ----------
    C : float, default=1.0
        Cost of source rows at the start; a tenth of it at the end of the ramp.
    C_target : float, default=None
        Cost of target rows `n_ramp` rounds after they entered, a tenth of it when they
        enter. None: `C`.
    kernel : {"linear", "rbf", "poly", "sigmoid"}, default="rbf"
        Kernel of the machine.
    gamma : {"scale", "auto"} or float, default="scale"
        Width of the kernel. "scale": one over the number of features times the
        variance of all rows of fit; "auto": one over the number of features.
    n_per_round : int, default=None
        How many target rows of a class enter, and how many source rows leave, in a
        round. None: as many as let the larger domain pass in twenty rounds.
    n_ramp : int, default=10
        Rounds in which the costs move.
    beta : float, default=0.03
        The walk ends when no source row is left and at most this share of the
        unlabelled target rows lies inside the margin or changed its label.
    max_iter : int, default=100
        Largest number of rounds.

    Attributes
    ----------
    estimators_ : list of SVC
        The machines: one for two classes, else one for each class against the rest.
        Their classes are -1 and 1.
    n_iter_ : int
        How often the machines were trained, on the source included.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.TransferClassifier : Adapts first and learns then.

    Notes
    -----
    The published method [1]_ takes rows from inside the margin only; here a class that
    has too few is filled up with the rows next to the margin, and keeps its last row,
    so that no class of the training set runs empty. With more than two classes the
    published walks are apart, one for each class against the rest, and one row may
    enter several classes; here it enters the class of the largest decision, and half
    the lead of that class is its distance from the margin. The circular
    validation of the paper is a matter of model selection and not part of this class.

    References
    ----------
    .. [1] L. Bruzzone, M. Marconcini. Domain Adaptation Problems: A DASVM
       Classification Technique and a Circular Validation Strategy. IEEE Transactions
       on Pattern Analysis and Machine Intelligence, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.svm import SVC
    >>> from sktransfer import DomainAdaptiveSVM
    >>> X_source, y_source = make_moons(200, noise=0.05, random_state=0)
    >>> X_target, y_target = make_moons(200, noise=0.05, random_state=1)
    >>> turn = np.array([[0.87, 0.5], [-0.5, 0.87]])
    >>> X_target = X_target @ turn
    >>> X, y = np.r_[X_source, X_target], np.r_[y_source, np.full(200, -1)]
    >>> plain = SVC(C=10, gamma=1.0).fit(X_source, y_source)
    >>> model = DomainAdaptiveSVM(C=10, gamma=1.0).fit(X, y)
    >>> bool(model.score(X_target, y_target) > plain.score(X_target, y_target) + 0.05)
    True
    """

    def __init__(
        self,
        *,
        C=1.0,
        C_target=None,
        kernel="rbf",
        gamma="scale",
        n_per_round=None,
        n_ramp=10,
        beta=0.03,
        max_iter=100,
    ):
        self.C = C
        self.C_target = C_target
        self.kernel = kernel
        self.gamma = gamma
        self.n_per_round = n_per_round
        self.n_ramp = n_ramp
        self.beta = beta
        self.max_iter = max_iter

    def _check_parameters(self):
        check_number("C", self.C, low=0, low_open=True)
        check_number("C_target", self.C_target, low=0, low_open=True, also=(None,))
        check_choice("kernel", self.kernel, ("linear", "rbf", "poly", "sigmoid"))
        check_number("gamma", self.gamma, low=0, low_open=True, also=("scale", "auto"))
        check_integer("n_per_round", self.n_per_round, low=1, also=(None,))
        check_integer("n_ramp", self.n_ramp, low=1)
        check_number("beta", self.beta, low=0, high=1)
        check_integer("max_iter", self.max_iter, low=1)

    def _width(self, X_source, X_target):
        # All machines share one width: that of SVC would follow the training set.
        if not isinstance(self.gamma, str):
            return float(self.gamma)
        variance = 1.0
        if self.gamma == "scale":
            variance = float(np.r_[X_source, X_target].var(dtype=np.float64))
        return 1.0 / (X_source.shape[1] * (variance if variance > 0 else 1.0))

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_parameters()
        # SVC stops early, so the order of the rows would show.
        by_source = labelled_order(X_source, y_source)
        by_target = labelled_order(X_target, y_target)
        X_source, y_source = X_source[by_source], y_source[by_source]
        X_target, y_target = X_target[by_target], y_target[by_target]
        n_classes = len(self.classes_)
        larger = max(len(X_source), len(X_target))
        self.estimators_, self.n_iter_, converged = progressive_svm(
            X_source,
            y_source,
            X_target,
            y_target,
            n_classes,
            C=self.C,
            C_target=self.C if self.C_target is None else self.C_target,
            n_per_round=self.n_per_round or -(-larger // (n_classes * _ROUNDS)),
            n_ramp=self.n_ramp,
            beta=self.beta,
            max_iter=self.max_iter,
            svc_params={
                "kernel": self.kernel,
                "gamma": self._width(X_source, X_target),
            },
        )
        if not converged:
            warnings.warn(
                f"{type(self).__name__} did not end within max_iter={self.max_iter} "
                "rounds. Raise `max_iter`, `n_per_round` or `beta`.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _scores(self, X):
        decisions = class_decisions(self.estimators_, X)
        # Halves for two classes, so that their difference is the machine's decision.
        return decisions / 2 if len(self.estimators_) == 1 else decisions
