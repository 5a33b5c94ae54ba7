import numpy as np
from scipy import sparse

from sktransfer._validation import check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._co_regularization import co_regularization_map
from sktransfer.feature._domain_numbers import domain_positions, ordered_domains

__all__ = ["FeatureAugmenter", "augment"]


class FeatureAugmenter(BaseAligner):
    r"""Feature augmentation: a shared copy of the features, and one for each domain.

    A linear model, or a kernel machine, on the augmented rows learns what all domains
    have in common and what is special to each, and shrinks both.

    Assumes that the domains share most of what decides the label, and that some target
    rows are labelled: without them the target's own copy is never learnt, and the model
    predicts by the shared one. Reads no labels itself. Every source and target domain
    is told apart by its number in `sample_domain`.

    With `co_regularization` the unlabelled target rows help as well: on them, what is
    special to a source domain and what is special to the target shall predict alike.

    Cost: nothing to fit; the output has ``1 + n_domains`` times as many columns. Sparse
    rows stay sparse. With `co_regularization` one decomposition of the target rows,
    ``O(n_target p min(n_target, p))`` time, and rows must be dense.

    Parameters
    ----------
    co_regularization : float, default=0.0
        Weight of the squared disagreement of the source's and the target's model on
        each target row, in units of the penalty on the squared weights of the model
        fitted next. 0: none. At infinity the domains would share one model.

    Attributes
    ----------
    domains_ : ndarray of shape (n_domains,)
        The domains' numbers in the order of their copies: sources first, each kind by
        the means of their rows, so that numbers are mere names.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.CORALAligner : Needs no target labels.

    Notes
    -----
    A row x of the second of three domains becomes :math:`(x, 0, x, 0)` [1]_. Inner
    products of rows of the same domain are doubled, others stay as they are.

    Co-regularisation [2]_ adds for each target row u the training row
    :math:`(0, u, -u)` with the value 0. Under squared loss this is the penalty
    :math:`w^T Q w` with :math:`Q = I + \beta \sum_u (0, u, -u)^T (0, u, -u)` in place
    of :math:`w^T w`, and so the same as mapping all rows by :math:`Q^{-1/2}`. With
    :math:`R = (I + 2 \beta \sum_u u u^T)^{-1/2}` a source row x becomes
    :math:`(x, (x + Rx) / 2, (x - Rx) / 2)`, a target row
    :math:`(x, (x - Rx) / 2, (x + Rx) / 2)`. So the disagreement is squared whatever the
    loss of the model, and any model with the penalty :math:`w^T w` will do. Every
    source domain is paired with every target domain, on the rows of all target domains,
    labelled or not.

    References
    ----------
    .. [1] H. Daumé III. Frustratingly Easy Domain Adaptation. ACL, 2007.
    .. [2] H. Daumé III, A. Kumar, A. Saha. Frustratingly Easy Semi-Supervised Domain
       Adaptation. DANLP, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import FeatureAugmenter
    >>> X = np.array([[1.0], [2.0], [3.0]])
    >>> FeatureAugmenter().fit_transform(X, sample_domain=[1, 1, -1])
    array([[1., 1., 0.],
           [2., 2., 0.],
           [3., 0., 3.]])
    """

    def __init__(self, *, co_regularization=0.0):
        self.co_regularization = co_regularization

    def _fit_domains(self, X, y, domains):
        check_number("co_regularization", self.co_regularization, low=0)
        self.domains_ = ordered_domains(X, domains.domain)
        return super()._fit_domains(X, y, domains)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._n_features_out = (1 + len(self.domains_)) * X_source.shape[1]
        self._agreement = None
        if self.co_regularization > 0:
            self._agreement = co_regularization_map(
                X_target, self.domains_ > 0, self.co_regularization
            )

    def _map(self, X, domain):
        if self.is_identity_:
            return X.copy()
        positions = domain_positions(
            domain, self.domains_, X.shape[0], name=type(self).__name__, part="copy"
        )
        augmented = augment(X, self.domains_[positions], self.domains_)
        if self._agreement is None:
            return augmented
        return self._agreement.apply(augmented, X, positions)

    def _map_source(self, X):
        return self._map(X, np.full(X.shape[0], self.domains_[0]))

    def _map_target(self, X):
        return self._map(X, None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # The root of the penalty is dense.
        tags.input_tags.sparse = self.co_regularization == 0
        return tags


def augment(X, domain, domains):
    """Return the shared copy of the rows, and one for each domain.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    domain : ndarray of shape (n_samples,)
        Domain of each row.
    domains : ndarray of shape (n_domains,)
        Order of the copies.

    Returns
    -------
    {ndarray, sparse array} of shape (n_samples, (1 + n_domains) * n_features)
        Zero in the copies of other domains.
    """
    if sparse.issparse(X):
        own = [
            sparse.dia_array(
                ((domain == d).astype(X.dtype)[None], [0]), shape=2 * [len(domain)]
            )
            for d in domains
        ]
        return sparse.hstack([X, *(mask @ X for mask in own)], format="csr")
    n_samples, n_features = X.shape
    out = np.zeros((n_samples, 1 + len(domains), n_features), dtype=X.dtype)
    out[:, 0] = X
    out[np.arange(n_samples), 1 + (domain[:, None] == domains).argmax(axis=1)] = X
    return out.reshape(n_samples, -1)
