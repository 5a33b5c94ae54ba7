"""One number for how much the source counts beside the labelled target rows."""

import warnings

import numpy as np

from sktransfer._validation import check_number
from sktransfer.base import BaseWeighter
from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance._domain_shares import factors_of_share

__all__ = ["BalancedWeighter"]


class BalancedWeighter(BaseWeighter):
    r"""Give the labelled target rows a share of the loss, and the source the rest.

    A few labelled target rows drown in a large source. One number says how much the
    domains count, and a search can find it: 1 learns from the target alone, 0 from the
    source alone, in between lies the plain pool of all rows.

    Assumes that a row's label may mean something else in the target, too: the target's
    own labels count for more, the source keeps the model from resting on them alone.
    Reads which rows are labelled, of both domains, and not what the labels are.

    Cost: ``O(n_source + n_target)``.

    It hurts where the labelled target rows are few and not like the rest of the target:
    a large share then fits these few.

    Parameters
    ----------
    target_share : float, default=0.5
        Share of the total weight that the labelled target rows have together, 0 to 1.
        At n_target / (n_source + n_target), of labelled rows, every row has weight one.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: all source rows have one, all labelled target
        rows another, and the larger is one. Unlabelled target rows have one, too.
    effective_sample_size_ : float
        Number of source rows.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.TransferClassifier : Takes the weighter in its slot, alone or in a list.
    sktransfer.SourceRegularizedClassifier : Holds a linear model near the source's.

    Notes
    -----
    With a loss :math:`\ell`, :math:`n_s` and :math:`n_t` labelled rows and the share
    :math:`\gamma`, the estimator minimises, up to a factor [1]_,

    .. math::

       \frac{\gamma}{n_t} \sum_{\text{target}} \ell(x_j, y_j)
       + \frac{1 - \gamma}{n_s} \sum_{\text{source}} \ell(x_i, y_i) .

    The factor makes the larger weight one. So a share above the natural one lets the
    source fade beside target rows of weight one, and a penalty of the estimator counts
    beside these as if they were alone. Search both together.

    Without a labelled target row there is nothing to balance: all weights are one, and
    a `NoTargetWarning` says so. In a list of adapters it multiplies the weights of the
    others, which have mean one on the source: put it last, after selectors.

    References
    ----------
    .. [1] P. Wu, T. G. Dietterich. Improving SVM Accuracy by Training on Auxiliary Data
       Sources. ICML, 2004.

    Examples
    --------
    >>> from sktransfer import BalancedWeighter
    >>> X = [[0.0], [1.0], [2.0], [3.0], [0.5], [1.5], [2.5]]
    >>> y = [0, 0, 1, 1, 1, -1, -1]
    >>> sample_domain = [1, 1, 1, 1, -1, -1, -1]
    >>> weighter = BalancedWeighter(target_share=0.5)
    >>> weighter.fit(X, y, sample_domain=sample_domain).sample_weight_
    array([0.25, 0.25, 0.25, 0.25, 1.  , 1.  , 1.  ])
    """

    # Which rows are labelled, at least.
    _reads_target_labels = True
    _needs_overlap = False

    def __init__(self, target_share=0.5):
        self.target_share = target_share

    def _weights(self, X_source, y_source, X_target, y_target):
        check_number("target_share", self.target_share, low=0, high=1)
        return np.ones(X_source.shape[0])

    def _domain_factors(self, domains):
        n_target = int((domains.labeled & domains.is_target).sum())
        n_source = int((domains.labeled & ~domains.is_target).sum())
        if n_target and n_source:
            return factors_of_share(n_source, n_target, self.target_share)
        if not n_target:
            warnings.warn(
                "BalancedWeighter found no labelled target row, so all weights are "
                "one. Label some target rows, and pass y and sample_domain: without "
                "sample_domain every labelled row is a source row.",
                NoTargetWarning,
                stacklevel=3,
            )
        return 1.0, 1.0

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
