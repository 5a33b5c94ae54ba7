"""Which source rows count, and how much."""

from sktransfer.instance._instance_selector import InstanceSelector

__all__ = ["InstanceSelector"]
