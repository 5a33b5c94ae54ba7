"""Classifiers and regressors that adapt and learn in one step."""

__all__ = []
