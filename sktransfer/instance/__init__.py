"""Instance-based transfer: which source rows count, and how much."""

from sktransfer.instance._instance_selector import InstanceSelector
from sktransfer.instance._kernel_mean_matching import KernelMeanMatchingWeighter

__all__ = ["InstanceSelector", "KernelMeanMatchingWeighter"]
