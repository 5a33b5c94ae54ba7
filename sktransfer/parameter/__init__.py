"""Models whose parameters start from, or stay near, those of a source."""

from sktransfer.parameter._linear_interpolation_classifier import (
    LinearInterpolationClassifier,
)
from sktransfer.parameter._linear_interpolation_regressor import (
    LinearInterpolationRegressor,
)
from sktransfer.parameter._source_regularized_classifier import (
    SourceRegularizedClassifier,
)
from sktransfer.parameter._source_regularized_regressor import (
    SourceRegularizedRegressor,
)

__all__ = [
    "LinearInterpolationClassifier",
    "LinearInterpolationRegressor",
    "SourceRegularizedClassifier",
    "SourceRegularizedRegressor",
]
