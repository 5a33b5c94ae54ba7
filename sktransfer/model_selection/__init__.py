"""Splitters that judge a model on target rows."""

from sktransfer.model_selection._target_k_fold import TargetKFold
from sktransfer.model_selection._target_shuffle_split import TargetShuffleSplit

__all__ = ["TargetKFold", "TargetShuffleSplit"]
