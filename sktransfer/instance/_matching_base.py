"""Base of weighters that solve a programme for the rows of each source domain."""

from abc import abstractmethod

import numpy as np

from sktransfer.instance._domainwise_weighter import BaseDomainwiseWeighter
from sktransfer.instance._shaped_weights import check_shape, shaped_weights
from sktransfer.instance._smallest_sample import smallest_sample

__all__ = ["BaseMatchingWeighter", "by_source_domain"]


class BaseMatchingWeighter(BaseDomainwiseWeighter):
    """Base of weighters that match the rows of a source domain to the target.

    A new one writes `__init__`, with `clip` and `flatten` among its parameters,
    ``_match(X_source, X_target)``, which returns an object with `weights`, one >= 0
    for each of the source rows, on any scale, and ``_keep(matches, weights)``, which
    makes attributes of these objects, one for each source domain, and of the weights
    of all source rows.
    """

    @abstractmethod
    def _match(self, X_source, X_target):
        """Weigh the rows of one source domain."""

    @abstractmethod
    def _keep(self, matches, weights):
        """Make attributes of what was found."""

    def _source_weights(self, X, y, domains):
        check_shape(self.clip, self.flatten)
        X_target, _ = smallest_sample(X[domains.is_target])
        numbers = domains.domain[~domains.is_target]
        self.source_domains_, matches = np.unique(numbers), []
        found, weights = np.empty(len(numbers)), np.empty(len(numbers))
        for number in self.source_domains_:
            X_source, place = smallest_sample(X[domains.domain == number])
            matches.append(self._match(X_source, X_target))
            mine = numbers == number
            found[mine] = matches[-1].weights[place]
            shaped = shaped_weights(found[mine], self.clip, self.flatten)
            weights[mine] = self._scaled(shaped)
        self._keep(matches, found)
        return weights

    def _weights(self, X_source, y_source, X_target, y_target):
        """Weigh one source domain."""
        return self._match(X_source, X_target).weights


def by_source_domain(values):
    """Return what is known of each source domain: of a single one, as it is."""
    return np.array(values) if len(values) > 1 else values[0]
