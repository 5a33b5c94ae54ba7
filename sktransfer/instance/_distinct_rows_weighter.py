"""Base of ratio weighters that see distinct rows with weights."""

from abc import abstractmethod

from sktransfer._separation import MOST_ROWS, evenly_spaced, samples_lie_apart
from sktransfer.instance._centre_kernels import weighted_rows
from sktransfer.instance._ratio_weighter import BaseRatioWeighter

__all__ = ["BaseDistinctRowsWeighter"]


class BaseDistinctRowsWeighter(BaseRatioWeighter):
    """Base of ratio weighters that see distinct rows with weights, sorted by content.

    A new one writes ``_fit_rows(source, target)``, which gets them as `WeightedRows`
    and returns what `_fit_ratio` does. Whether the domains lie apart is told from the
    rows as they are sorted.
    """

    @abstractmethod
    def _fit_rows(self, source, target):
        """Return the log ratio as a function of rows, and its values or None."""

    def _source_weights(self, X, y, domains):
        self._gaps = []
        return super()._source_weights(X, y, domains)

    def _fit_ratio(self, X_source, X_target):
        source, target = weighted_rows(X_source), weighted_rows(X_target)
        samples = (
            rows.at(evenly_spaced(MOST_ROWS, len(rows.groups)))
            for rows in (source, target)
        )
        self._gaps.append(samples_lie_apart(*samples))
        return self._fit_rows(source, target)

    def _apart(self, X, domains):
        return any(self._gaps)
