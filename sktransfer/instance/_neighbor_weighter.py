"""Weights by counting the target rows in the cells of source rows."""

import numpy as np

from sktransfer._validation import check_integer, check_number
from sktransfer.instance._neighbor_counts import CellValues, neighbor_counts
from sktransfer.instance._ratio_weighter import BaseRatioWeighter
from sktransfer.instance._smallest_sample import smallest_sample

__all__ = ["NearestNeighborWeighter"]


class NearestNeighborWeighter(BaseRatioWeighter):
    r"""Weigh a source row by the number of target rows that lie nearest to it.

    Every target row votes for the source row nearest to it, that is, for the cell that
    it falls into, or for several. There is no bandwidth to choose and nothing to fit.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Reads no labels.

    Cost: ``O(n_target log n_source)`` in up to six columns, where a tree is used, above
    ``O(n_source n_target p)`` in tiles that stay in the cache: 100,000 + 100,000 rows
    of 20 columns take some ten seconds.

    It hurts where columns have unlike units: distances are those of X as it is, so
    scale it. A single neighbour gives weights that scatter around the ratio by as much
    as the ratio itself, however many rows there are; averages under them are sound.

    Parameters
    ----------
    n_neighbors : int, default=1
        How many nearest source rows each target row votes for; at most all. For a
        smooth ratio let it grow with the rows, to their square root for example.
    smoothing : float, default=1.0
        Votes that every source row begins with (Laplace's smoothing). 0: source rows
        that no target row votes for get weight zero, and are left out of the fit.
    clip : float, default=None
        Largest ratio to its mean; larger ones are cut.
    flatten : float, default=1.0
        Exponent of the ratio, 0 to 1: smaller ones make the weights more even.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    ratios_ : list
        For each source domain, the logarithm of the ratio as a function of rows, up to
        a constant.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.InstanceSelector : Keeps the source rows that get votes, or leaves out.
    sktransfer.DiscriminativeWeighter : A smooth ratio, by a classifier.

    Notes
    -----
    The weight of source row :math:`x_i` is [1]_

    .. math::

       w_i \propto \lambda + \#\{j : x_i \text{ is among the } k \text{ nearest source
       rows of } x^t_j\},

    with :math:`\lambda` the smoothing. With k growing more slowly than the rows, and
    without smoothing, it tends to the ratio of the densities [2]_. Equal source rows
    share the votes that fall on them. Of different source rows at the same distance
    the content decides which comes first, never the order of the rows. Where all rows
    of a domain are given k times they count once. A new row is weighed like the source
    row nearest to it.

    References
    ----------
    .. [1] M. Loog. Nearest Neighbor-Based Importance Weighting. IEEE International
       Workshop on Machine Learning for Signal Processing, 2012.
    .. [2] Z. Lin, P. Ding, F. Han. Estimation Based on Nearest Neighbor Matching: From
       Density Ratio to Average Treatment Effect. Econometrica 91, 2023.

    Examples
    --------
    >>> from sktransfer import NearestNeighborWeighter
    >>> X = [[0.0], [1.0], [2.0], [1.6], [1.8], [2.5]]
    >>> sample_domain = [1, 1, 1, -1, -1, -1]
    >>> weighter = NearestNeighborWeighter().fit(X, sample_domain=sample_domain)
    >>> weighter.sample_weight_
    array([0.5, 0.5, 2. , 1. , 1. , 1. ])
    >>> weighter.weigh([[1.4], [1.6]])
    array([0.5, 2. ])
    """

    def __init__(self, n_neighbors=1, *, smoothing=1.0, clip=None, flatten=1.0):
        self.n_neighbors = n_neighbors
        self.smoothing = smoothing
        self.clip = clip
        self.flatten = flatten

    def _fit_ratio(self, X_source, X_target):
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_number("smoothing", self.smoothing, low=0)
        source, place = smallest_sample(X_source)
        target, _ = smallest_sample(X_target)
        points, point_of, counts = neighbor_counts(source, target, self.n_neighbors)
        with np.errstate(divide="ignore"):
            values = np.log(self.smoothing + counts)
        return CellValues(points, values), values[point_of][place]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
