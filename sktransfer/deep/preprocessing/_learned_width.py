"""What preprocessors learn from rows, as a number that JSON takes."""

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sktransfer.deep.preprocessing._audio_samples import AudioSamples
from sktransfer.deep.preprocessing._mel_spectrogram import MelSpectrogram
from sktransfer.deep.preprocessing._sentence_tokenizer import SentenceTokenizer

__all__ = ["learned_width", "set_width"]


def learned_width(preprocessor):
    """Return what a fitted preprocessor has learned from rows.

    Parameters
    ----------
    preprocessor : transformer or None
        Fitted or not.

    Returns
    -------
    dict
        "row_seconds" for those of sound, else empty.
    """
    if preprocessor is None or not _is_fitted(preprocessor):
        return {}
    if isinstance(preprocessor, AudioSamples):
        return {"row_seconds": preprocessor.n_samples_ / preprocessor.sample_rate}
    if isinstance(preprocessor, MelSpectrogram):
        # The least length that has so many frames; an odd frame is not quite centred.
        n_samples = (preprocessor.n_frames_ - 1) * preprocessor.hop_length
        n_samples += preprocessor.n_fft % 2
        return {"row_seconds": max(n_samples, 1) / preprocessor.sample_rate}
    if not isinstance(preprocessor, SentenceTokenizer) and not _is_fitted(
        clone(preprocessor)
    ):
        raise ValueError(
            f"The preprocessor of the backbone, a {type(preprocessor).__name__}, has "
            "learned from rows what cannot be written without pickle. Use one that "
            "learns nothing, or put it into a pipeline before the estimator."
        )
    return {}


def set_width(preprocessor, recipe):
    """Make a new preprocessor ready to use, as far as the recipe says how.

    Parameters
    ----------
    preprocessor : transformer or None
        Not fitted; it is, afterwards.
    recipe : dict
        With what `learned_width` gave.
    """
    if isinstance(preprocessor, SentenceTokenizer):
        preprocessor.fit(["text"])
    elif "row_seconds" in recipe:
        preprocessor.set_params(max_seconds=recipe["row_seconds"]).fit([np.ones(1)])


def _is_fitted(preprocessor):
    try:
        check_is_fitted(preprocessor)
    except NotFittedError:
        return False
    return True
