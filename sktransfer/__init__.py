"""Transfer learning as scikit-learn estimators.

What changes X is an aligner, what changes which rows count is a weighter or a
selector, and `TransferClassifier` / `TransferRegressor` put them under any scikit-learn
estimator. `sktransfer.deep` needs torch and skorch and is loaded only when asked for.
"""

from sktransfer._transfer_classifier import TransferClassifier
from sktransfer._transfer_regressor import TransferRegressor
from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter
from sktransfer.feature import MMDAligner

__version__ = "0.1.0.dev0"

__all__ = [
    "BaseAligner",
    "BaseSelector",
    "BaseWeighter",
    "MMDAligner",
    "TransferClassifier",
    "TransferRegressor",
]
