import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._marginalized_denoising import (
    denoiser,
    frequent_columns,
    second_moments,
    split_denoisers,
)

__all__ = ["MarginalizedDenoiser"]

_MOST_FULL = 2000
_FREQUENT = 1000


class MarginalizedDenoiser(BaseAligner):
    r"""Marginalised denoising: rebuild features from the others of both domains.

    A linear map learns to restore rows whose entries were set to zero at random, from
    source and target rows together; the corruption is averaged out in closed form. Each
    layer is that map and a tanh, fitted on the output of the layer before. A feature
    that one domain lacks is rebuilt from those it occurs with. The output is the input
    and all layers side by side.

    Assumes that features which occur together mean the same in both domains, as words
    do. Reads no labels. Several source domains count as one, and every row counts the
    same. Features should be counts, shares or standardised columns: tanh flattens large
    values.

    Cost: a layer takes ``O(n p^2 + p^3)`` time and some ``p x p`` matrices for p
    features, the first one less for sparse rows. Above `n_frequent` features r of them
    are rebuilt from blocks of r, ``O(n p r + p r^2)``. Sparse rows are never made
    dense, but the layers are: the output has ``n_layers * p`` (or r) dense columns.

    Parameters
    ----------
    n_layers : int, default=3
        Number of layers.
    noise : float, default=0.5
        Probability in [0, 1) that an entry is set to zero. 0 gives the identity before
        the tanh.
    n_frequent : int, "auto" or None, default="auto"
        Where there are more features than that, so many of the most frequent ones are
        rebuilt, each by the mean of its reconstructions from disjoint random blocks of
        features. None: all are rebuilt from all. "auto": 1000 above 2000 features, else
        None.
    keep_input : bool, default=True
        Whether the input comes first in the output. With sparse input the output is
        sparse, then.
    regularization : float, default=1e-5
        Added to the diagonal of the matrix that is inverted, in units of its mean.
    random_state : int, RandomState instance or None, default=0
        For the blocks of features.

    Attributes
    ----------
    weights_ : list of n_layers ndarray of shape (n_inputs + 1, n_outputs)
        The maps, for rows from the left, with the bias last.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.CorrespondenceAligner : Predicts chosen pivot features from the others.

    Notes
    -----
    With :math:`S` the second moments of the rows with a bias entry, :math:`q` the
    probability of each entry to survive (one for the bias), :math:`P_{ij} = S_{ij} q_j`
    and :math:`Q_{ij} = S_{ij} q_i q_j` for :math:`i \ne j`, :math:`Q_{ii} = S_{ii}
    q_i`, the map is :math:`W = P Q^{-1}` and the layer :math:`\tanh(W x)` [1]_: what
    least squares gives on infinitely many corrupted copies of the rows.

    References
    ----------
    .. [1] M. Chen, Z. Xu, K. Q. Weinberger, F. Sha. Marginalized Denoising Autoencoders
       for Domain Adaptation. ICML, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import MarginalizedDenoiser
    >>> X = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [0, 1, 1]])
    >>> denoiser = MarginalizedDenoiser(n_layers=1, keep_input=False)
    >>> Z = denoiser.fit(X, sample_domain=[1, 1, 1, -1, -1]).transform([[0, 1, 0]])
    >>> bool(Z[0, 0] > 0.2)  # the first feature is often there with the second
    True
    """

    def __init__(
        self,
        *,
        n_layers=3,
        noise=0.5,
        n_frequent="auto",
        keep_input=True,
        regularization=1e-5,
        random_state=0,
    ):
        self.n_layers = n_layers
        self.noise = noise
        self.n_frequent = n_frequent
        self.keep_input = keep_input
        self.regularization = regularization
        self.random_state = random_state

    def _check_params(self):
        check_integer("n_layers", self.n_layers, low=1)
        check_number("noise", self.noise, low=0, high=1, high_open=True)
        check_integer("n_frequent", self.n_frequent, low=1, also=("auto", None))
        check_choice("keep_input", self.keep_input, (True, False))
        check_number("regularization", self.regularization, low=0, low_open=True)

    def _n_rebuilt(self, n_features):
        if self.n_frequent == "auto":
            return _FREQUENT if n_features > _MOST_FULL else n_features
        return min(n_features, self.n_frequent or n_features)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
        hidden = stack([X_source, X_target])
        hidden = hidden.tocsr() if sparse.issparse(hidden) else hidden
        n_features = hidden.shape[1]
        n_rebuilt = self._n_rebuilt(n_features)
        self.weights_ = []
        for layer in range(self.n_layers):
            if layer == 0 and n_rebuilt < n_features:
                weights = self._first_of_many(hidden, n_rebuilt)
            else:
                S = second_moments(hidden)
                weights = denoiser(S, S[:, :-1], self.noise, self.regularization)
            self.weights_.append(weights.astype(hidden.dtype))
            if layer < self.n_layers - 1:
                hidden = _layer(hidden, self.weights_[-1])
        kept = n_features if self.keep_input else 0
        self._n_features_out = kept + self.n_layers * n_rebuilt

    def _first_of_many(self, X, n_rebuilt):
        X = X.tocsc() if sparse.issparse(X) else X
        return split_denoisers(
            X,
            frequent_columns(X.tocsr() if sparse.issparse(X) else X, n_rebuilt),
            n_rebuilt,
            self.noise,
            self.regularization,
            check_random_state(self.random_state),
        )

    def _map(self, X, domain):
        return X.copy() if self.is_identity_ else self._map_target(X)

    def _map_source(self, X):
        return self._map_target(X)

    def _map_target(self, X):
        layers, hidden = [X] if self.keep_input else [], X
        for weights in self.weights_:
            hidden = _layer(hidden, weights.astype(X.dtype, copy=False))
            layers.append(hidden)
        if self.keep_input and sparse.issparse(X):
            return sparse.hstack(layers, format="csr", dtype=X.dtype)
        return np.hstack(layers)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _layer(X, weights):
    hidden = np.asarray(safe_sparse_dot(X, weights[:-1]))
    hidden += weights[-1]
    return np.tanh(hidden, out=hidden)
