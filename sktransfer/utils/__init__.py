"""Checks for estimators that keep sktransfer's contract."""

from sktransfer.utils.estimator_checks import (
    check_transfer_estimator,
    yield_transfer_checks,
)

__all__ = ["check_transfer_estimator", "yield_transfer_checks"]
