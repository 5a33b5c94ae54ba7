"""Instance-based transfer: which source rows count, and how much."""

from sktransfer.instance._balanced_weighter import BalancedWeighter
from sktransfer.instance._density_weighter import DensityWeighter
from sktransfer.instance._discrepancy_weighter import DiscrepancyWeighter
from sktransfer.instance._discriminative_weighter import DiscriminativeWeighter
from sktransfer.instance._gaussian_weighter import GaussianWeighter
from sktransfer.instance._instance_selector import InstanceSelector
from sktransfer.instance._kernel_mean_matching import KernelMeanMatchingWeighter
from sktransfer.instance._kliep_weighter import KLIEPWeighter
from sktransfer.instance._label_shift_weighter import LabelShiftWeighter
from sktransfer.instance._local_transfer_classifier import (
    LocalTransferClassifier,
)
from sktransfer.instance._multi_source_tradaboost_classifier import (
    MultiSourceTrAdaBoostClassifier,
)
from sktransfer.instance._neighbor_weighter import NearestNeighborWeighter
from sktransfer.instance._tradaboost_classifier import TrAdaBoostClassifier
from sktransfer.instance._tradaboost_regressor import TrAdaBoostRegressor
from sktransfer.instance._ulsif_weighter import ULSIFWeighter

__all__ = [
    "BalancedWeighter",
    "DensityWeighter",
    "DiscrepancyWeighter",
    "DiscriminativeWeighter",
    "GaussianWeighter",
    "InstanceSelector",
    "KLIEPWeighter",
    "KernelMeanMatchingWeighter",
    "LabelShiftWeighter",
    "LocalTransferClassifier",
    "MultiSourceTrAdaBoostClassifier",
    "NearestNeighborWeighter",
    "TrAdaBoostClassifier",
    "TrAdaBoostRegressor",
    "ULSIFWeighter",
]
