"""Base of weighters that weigh each source domain by itself."""

from sktransfer._separation import lie_apart
from sktransfer.base import BaseWeighter

__all__ = ["BaseDomainwiseWeighter"]


class BaseDomainwiseWeighter(BaseWeighter):
    """Base of weighters that weigh each source domain by itself.

    Several source domains are weighted to the target one by one, each to mean one, so
    that together they count by their numbers of rows. A new one sets `source_domains_`
    with the weights.
    """

    def _apart(self, X, domains):
        return any(
            lie_apart(X, domains.domain == number, domains.is_target)
            for number in self.source_domains_
        )
