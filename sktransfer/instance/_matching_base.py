"""Base of weighters that solve a programme for the rows of each source domain."""

from abc import abstractmethod

import numpy as np

from sktransfer._separation import lie_apart
from sktransfer.base import BaseWeighter
from sktransfer.instance._shaped_weights import check_shape, shaped_weights
from sktransfer.instance._smallest_sample import smallest_sample

__all__ = ["BaseMatchingWeighter", "by_source_domain"]


class BaseMatchingWeighter(BaseWeighter):
    """Base of weighters that match the rows of a source domain to the target.

    A new one writes `__init__`, with `clip` and `flatten` among its parameters,
    ``_match(X_source, X_target)``, which returns an object with `weights`, one >= 0
    for each of the source rows, on any scale, and ``_keep(matches, weights)``, which
    makes attributes of these objects, one for each source domain, and of the weights
    of all source rows.

    Several source domains are weighted to the target one by one, each to mean one, so
    that together they count by their numbers of rows.
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

    def _apart(self, X, domains):
        """Tell whether a source domain, which is weighed by itself, lies apart."""
        return any(
            lie_apart(X, domains.domain == number, domains.is_target)
            for number in self.source_domains_
        )


def by_source_domain(values):
    """Return what is known of each source domain: of a single one, as it is."""
    return np.array(values) if len(values) > 1 else values[0]
