"""Networks as scikit-learn estimators; the only part of sktransfer that needs torch."""

# A missing package is named before anything that needs it is imported.
# ruff: noqa: E402

from importlib.util import find_spec

for _name in ("torch", "skorch", "safetensors"):
    if find_spec(_name) is None:
        raise ImportError(
            f"sktransfer.deep needs {_name}, which is not installed. Install it with "
            '`pip install "sktransfer[deep]"`.'
        )

from sktransfer.deep._classifier import FineTunedClassifier
from sktransfer.deep._pretrained_features import PretrainedFeatures
from sktransfer.deep._regressor import FineTunedRegressor
from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.backbones._backbone_registry import register_backbone
from sktransfer.deep.preprocessing._image_preprocessor import ImagePreprocessor
from sktransfer.deep.preprocessing._mel_spectrogram import MelSpectrogram
from sktransfer.deep.preprocessing._sentence_tokenizer import SentenceTokenizer
from sktransfer.deep.regularizers._bi_tuning import BiTuning
from sktransfer.deep.regularizers._bss import BSS
from sktransfer.deep.regularizers._co_tuning import CoTuning
from sktransfer.deep.regularizers._delta import DELTA
from sktransfer.deep.regularizers._l2_sp import L2SP
from sktransfer.deep.regularizers._lwf import LWF
from sktransfer.deep.regularizers._stoch_norm import StochNorm

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
