import numpy as np
from scipy import sparse

from sktransfer.base import BaseAligner

__all__ = ["FeatureAugmenter", "augment"]


class FeatureAugmenter(BaseAligner):
    r"""Feature augmentation: a shared copy of the features, and one for each domain.

    A linear model, or a kernel machine, on the augmented rows learns what all domains
    have in common and what is special to each, and shrinks both.

    Assumes that the domains share most of what decides the label, and that some target
    rows are labelled: without them the target's own copy is never learnt, and the model
    predicts by the shared one. Reads no labels itself. Every source and target domain
    is told apart by its number in `sample_domain`.

    Cost: nothing to fit; the output has ``1 + n_domains`` times as many columns. Sparse
    rows stay sparse.

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

    References
    ----------
    .. [1] H. Daumé III. Frustratingly Easy Domain Adaptation. ACL, 2007.

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

    def _fit_domains(self, X, y, domains):
        self.domains_ = _in_order(X, domains.domain)
        return super()._fit_domains(X, y, domains)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._n_features_out = (1 + len(self.domains_)) * X_source.shape[1]

    def _map(self, X, domain):
        if self.is_identity_:
            return X.copy()
        if domain is None:
            targets = self.domains_[self.domains_ < 0]
            if len(targets) > 1:
                raise ValueError(
                    "FeatureAugmenter was fitted with the target domains "
                    f"{sorted(targets.tolist())} and cannot tell of which "
                    "the rows are. Pass sample_domain."
                )
            domain = np.full(X.shape[0], targets[0])
        unknown = np.setdiff1d(domain, self.domains_)
        if len(unknown):
            raise ValueError(
                f"FeatureAugmenter has no copy for the domains {unknown.tolist()}: it "
                f"was fitted with {self.domains_.tolist()}. Fit it with rows of them, "
                "or give the number of the domain they are most like."
            )
        return augment(X, domain, self.domains_)

    def _map_source(self, X):
        return self._map(X, np.full(X.shape[0], self.domains_[0]))

    def _map_target(self, X):
        return self._map(X, None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _in_order(X, domain):
    found = np.unique(domain)
    means = [np.asarray(X[np.flatnonzero(domain == d)].mean(axis=0)) for d in found]
    keys = [
        (d < 0, *mean.ravel().tolist()) for d, mean in zip(found, means, strict=True)
    ]
    return found[sorted(range(len(found)), key=keys.__getitem__)]


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
