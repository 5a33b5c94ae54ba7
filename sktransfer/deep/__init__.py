"""Networks as scikit-learn estimators; the only part of sktransfer that needs torch."""

from importlib.util import find_spec

for _name in ("torch", "skorch", "safetensors"):
    if find_spec(_name) is None:
        raise ImportError(
            f"sktransfer.deep needs {_name}, which is not installed. Install it with "
            '`pip install "sktransfer[deep]"`.'
        )

from sktransfer.deep._backbone import Backbone  # noqa: E402
from sktransfer.deep._backbone_registry import register_backbone  # noqa: E402
from sktransfer.deep._bi_tuning import BiTuning  # noqa: E402
from sktransfer.deep._bss import BSS  # noqa: E402
from sktransfer.deep._classifier import FineTunedClassifier  # noqa: E402
from sktransfer.deep._co_tuning import CoTuning  # noqa: E402
from sktransfer.deep._delta import DELTA  # noqa: E402
from sktransfer.deep._image_preprocessor import ImagePreprocessor  # noqa: E402
from sktransfer.deep._l2_sp import L2SP  # noqa: E402
from sktransfer.deep._lwf import LWF  # noqa: E402
from sktransfer.deep._mel_spectrogram import MelSpectrogram  # noqa: E402
from sktransfer.deep._pretrained_features import PretrainedFeatures  # noqa: E402
from sktransfer.deep._regressor import FineTunedRegressor  # noqa: E402
from sktransfer.deep._sentence_tokenizer import SentenceTokenizer  # noqa: E402
from sktransfer.deep._stoch_norm import StochNorm  # noqa: E402

__all__ = [
    "BSS",
    "DELTA",
    "L2SP",
    "LWF",
    "Backbone",
    "BiTuning",
    "CoTuning",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "ImagePreprocessor",
    "MelSpectrogram",
    "PretrainedFeatures",
    "SentenceTokenizer",
    "StochNorm",
    "register_backbone",
]
