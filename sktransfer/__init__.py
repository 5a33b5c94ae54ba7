"""Transfer learning as scikit-learn estimators.

What changes X is an aligner, what changes which rows count is a weighter or a
selector, and `TransferClassifier` / `TransferRegressor` put them under any scikit-learn
estimator. `sktransfer.deep` needs torch and skorch and is loaded only when asked for.
"""

from sktransfer._stack import stack_domains
from sktransfer._transfer_classifier import TransferClassifier
from sktransfer._transfer_regressor import TransferRegressor
from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter
from sktransfer.feature import (
    CORALAligner,
    CorrespondenceAligner,
    FeatureAugmenter,
    GeodesicFlowAligner,
    InvariantFeatureSelector,
    LinearTransportAligner,
    LocationScaleAligner,
    MarginalizedDenoiser,
    MMDAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferSubspaceAligner,
)
from sktransfer.instance import (
    BalancedWeighter,
    DensityWeighter,
    DiscrepancyWeighter,
    DiscriminativeWeighter,
    GaussianWeighter,
    InstanceSelector,
    KernelMeanMatchingWeighter,
    KLIEPWeighter,
    LabelShiftWeighter,
    LocalTransferClassifier,
    MultiSourceTrAdaBoostClassifier,
    NearestNeighborWeighter,
    TrAdaBoostClassifier,
    TrAdaBoostRegressor,
    ULSIFWeighter,
)
from sktransfer.joint import (
    DomainAdaptiveSVM,
    EasyTransferClassifier,
    GradualTransferClassifier,
    JointTransportClassifier,
    JointTransportRegressor,
    LabelTransportClassifier,
    ManifoldAlignedClassifier,
    SelectiveManifoldClassifier,
    SelectivePseudoLabelClassifier,
    SelfTrainedTransferClassifier,
)
from sktransfer.model_selection import TargetKFold, TargetShuffleSplit
from sktransfer.parameter import (
    BoostedTransferClassifier,
    BoostedTransferRegressor,
    LinearInterpolationClassifier,
    LinearInterpolationRegressor,
    PredictorFeatures,
    SharedMultiTaskClassifier,
    SharedMultiTaskRegressor,
    SourceRegularizedClassifier,
    SourceRegularizedRegressor,
    TransferForestClassifier,
    TransferTreeClassifier,
)

__version__ = "0.1.0.dev0"

_DEEP = (
    "FineTunedClassifier",
    "FineTunedRegressor",
    "ImagePreprocessor",
    "MelSpectrogram",
    "PretrainedFeatures",
    "SentenceTokenizer",
)

__all__ = [
    "BalancedWeighter",
    "BaseAligner",
    "BaseSelector",
    "BaseWeighter",
    "BoostedTransferClassifier",
    "BoostedTransferRegressor",
    "CORALAligner",
    "CorrespondenceAligner",
    "DensityWeighter",
    "DiscrepancyWeighter",
    "DiscriminativeWeighter",
    "DomainAdaptiveSVM",
    "EasyTransferClassifier",
    "FeatureAugmenter",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "GaussianWeighter",
    "GeodesicFlowAligner",
    "GradualTransferClassifier",
    "ImagePreprocessor",
    "InstanceSelector",
    "InvariantFeatureSelector",
    "JointTransportClassifier",
    "JointTransportRegressor",
    "KLIEPWeighter",
    "KernelMeanMatchingWeighter",
    "LabelShiftWeighter",
    "LabelTransportClassifier",
    "LinearInterpolationClassifier",
    "LinearInterpolationRegressor",
    "LinearTransportAligner",
    "LocalTransferClassifier",
    "LocationScaleAligner",
    "MMDAligner",
    "ManifoldAlignedClassifier",
    "MarginalizedDenoiser",
    "MelSpectrogram",
    "MultiSourceTrAdaBoostClassifier",
    "NearestNeighborWeighter",
    "OptimalTransportAligner",
    "PredictorFeatures",
    "PretrainedFeatures",
    "SelectiveManifoldClassifier",
    "SelectivePseudoLabelClassifier",
    "SelfTrainedTransferClassifier",
    "SentenceTokenizer",
    "SharedMultiTaskClassifier",
    "SharedMultiTaskRegressor",
    "SourceRegularizedClassifier",
    "SourceRegularizedRegressor",
    "SubspaceAligner",
    "TargetKFold",
    "TargetShuffleSplit",
    "TrAdaBoostClassifier",
    "TrAdaBoostRegressor",
    "TransferClassifier",
    "TransferForestClassifier",
    "TransferRegressor",
    "TransferSubspaceAligner",
    "TransferTreeClassifier",
    "ULSIFWeighter",
    "stack_domains",
]


def __getattr__(name):
    # Deep estimators are looked up when asked for: the core never imports torch.
    if name in _DEEP:
        from sktransfer import deep

        return getattr(deep, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_DEEP])
