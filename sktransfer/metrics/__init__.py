"""Distances between domains and measures of weights."""

from sktransfer.metrics._effective_sample_size import effective_sample_size

__all__ = ["effective_sample_size"]
