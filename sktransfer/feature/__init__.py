"""Feature-based transfer: aligners, which change X."""

from sktransfer.feature._mmd_aligner import MMDAligner

__all__ = ["MMDAligner"]
