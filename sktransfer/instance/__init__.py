"""Instance-based transfer: which source rows count, and how much."""

from sktransfer.instance._instance_selector import InstanceSelector
from sktransfer.instance._kernel_mean_matching import KernelMeanMatchingWeighter
from sktransfer.instance._label_shift_weighter import LabelShiftWeighter

__all__ = ["InstanceSelector", "KernelMeanMatchingWeighter", "LabelShiftWeighter"]
