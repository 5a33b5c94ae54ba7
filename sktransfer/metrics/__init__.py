"""Distances between domains and measures of weights."""

from sktransfer.metrics._effective_sample_size import effective_sample_size
from sktransfer.metrics._mmd import mmd
from sktransfer.metrics._mmd_test import MMDTestResult, mmd_test

__all__ = ["MMDTestResult", "effective_sample_size", "mmd", "mmd_test"]
