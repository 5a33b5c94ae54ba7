"""Models whose parameters start from, or stay near, those of a source."""

from sktransfer.parameter._boosted_transfer_classifier import (
    BoostedTransferClassifier,
)
from sktransfer.parameter._boosted_transfer_regressor import BoostedTransferRegressor
from sktransfer.parameter._linear_interpolation_classifier import (
    LinearInterpolationClassifier,
)
from sktransfer.parameter._linear_interpolation_regressor import (
    LinearInterpolationRegressor,
)
from sktransfer.parameter._predictor_features import PredictorFeatures
from sktransfer.parameter._shared_multi_task_classifier import (
    SharedMultiTaskClassifier,
)
from sktransfer.parameter._shared_multi_task_regressor import (
    SharedMultiTaskRegressor,
)
from sktransfer.parameter._source_regularized_classifier import (
    SourceRegularizedClassifier,
)
from sktransfer.parameter._source_regularized_regressor import (
    SourceRegularizedRegressor,
)
from sktransfer.parameter._transfer_forest_classifier import (
    TransferForestClassifier,
)
from sktransfer.parameter._transfer_tree_classifier import (
    TransferTreeClassifier,
)

__all__ = [
    "BoostedTransferClassifier",
    "BoostedTransferRegressor",
    "LinearInterpolationClassifier",
    "LinearInterpolationRegressor",
    "PredictorFeatures",
    "SharedMultiTaskClassifier",
    "SharedMultiTaskRegressor",
    "SourceRegularizedClassifier",
    "SourceRegularizedRegressor",
    "TransferForestClassifier",
    "TransferTreeClassifier",
]
