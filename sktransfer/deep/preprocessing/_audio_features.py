import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from sktransfer.deep.backbones._optional_package import import_package
from sktransfer.deep.preprocessing._audio_clips import audio_clips

__all__ = ["AudioFeatures"]


class AudioFeatures(TransformerMixin, BaseEstimator):
    """Audio clips as spectrograms, by a feature extractor of transformers.

    For networks that look at a spectrogram of one width, such as the Audio Spectrogram
    Transformer: the extractor cuts and pads clips as the network had them. Rows are
    taken as `AudioSamples` takes them; zeros at the end of a clip are none of it.

    Assumes nothing of the domains: a row depends on its clip alone. Reads no labels.

    Cost: some ten milliseconds for each clip.

    Parameters
    ----------
    settings : dict
        Those of the extractor, with its class as "feature_extractor_type": what
        ``extractor.to_dict()`` gives.
    input_rate : int, default=None
        Samples a second of clips without a rate; None: that of the network, unless
        there are pairs (samples, rate) in X.
    """

    def __init__(self, settings, *, input_rate=None):
        self.settings = settings
        self.input_rate = input_rate

    def _extractor(self):
        transformers = import_package("transformers", "hf:", "sktransfer[text]")
        name = self.settings.get("feature_extractor_type")
        kind = getattr(transformers, str(name), None)
        base = transformers.SequenceFeatureExtractor
        if not (isinstance(kind, type) and issubclass(kind, base)):
            raise ValueError(
                f"transformers has no feature extractor {name!r}. Install the version "
                "with which the network was saved."
            )
        return kind(**self.settings)

    def fit(self, X, y=None):
        """Make sure that there is such an extractor; nothing is learned.

        Parameters
        ----------
        X : array-like of clips, or of shape (n_samples, n_audio_samples)
            Clips, or pairs (samples, rate).
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        self._extractor()
        return self

    def transform(self, X):
        """Return the spectrograms of clips.

        Parameters
        ----------
        X : array-like of clips, or of shape (n_samples, n_audio_samples)
            Clips, or pairs (samples, rate).

        Returns
        -------
        ndarray of shape (n_samples, ...)
            float32, as the network takes them.
        """
        extractor = self._extractor()
        rate = extractor.sampling_rate
        rows = []
        for clip in audio_clips(X, rate, self.input_rate):
            # A frame of 25 ms is the least that extractors take.
            clip = np.pad(clip, (0, max(0, rate // 40 - len(clip))))
            found = extractor(clip, sampling_rate=rate, return_tensors="np")
            name = extractor.model_input_names[0]
            rows.append(np.asarray(found[name][0], dtype=np.float32))
        if len({row.shape for row in rows}) > 1:
            raise ValueError(
                f"{type(extractor).__name__} gives spectrograms of several lengths; "
                "only networks that take one length can be used by name."
            )
        return np.stack(rows)

    def __sklearn_is_fitted__(self):
        """Nothing is learned, so it always is."""
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.requires_fit = False
        return tags
