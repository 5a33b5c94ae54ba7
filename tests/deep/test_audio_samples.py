"""Clips as rows of samples, or as what a feature extractor makes of them."""

import numpy as np
import pandas as pd
import pytest
import transformers
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sktransfer.deep.preprocessing._audio_features import AudioFeatures
from sktransfer.deep.preprocessing._audio_samples import AudioSamples
from sktransfer.exceptions import TruncationWarning


def draw(*lengths):
    rng = np.random.RandomState(0)
    return [rng.uniform(-1, 1, size=n) for n in lengths]


def test_rows_end_in_zeros():
    clips = draw(30, 50)
    given = [clip.copy() for clip in clips]
    rows = AudioSamples().fit_transform(clips)
    assert rows.shape == (2, 50)
    assert rows.dtype == np.float32
    assert_allclose(rows[0, :30], clips[0], rtol=1e-6)
    assert not rows[0, 30:].any()
    assert_array_equal(clips[1], given[1])


def test_forms_of_clips_agree():
    clips = draw(40, 40)
    expected = AudioSamples().fit_transform(clips)
    as_objects = np.empty(2, dtype=object)
    as_objects[:] = clips
    table = np.stack(clips)
    for X in (as_objects, table, pd.DataFrame(table), pd.Series(clips)):
        assert_array_equal(AudioSamples().fit_transform(X), expected)
    whole = [np.round(clip * 2**15).astype(np.int16) for clip in clips]
    assert_allclose(AudioSamples().fit_transform(whole), expected, atol=2**-15)


def test_zeros_at_the_end_of_a_clip_are_padding():
    clip = draw(40)[0]
    padded = [clip, np.pad(clip, (0, 60))]
    rows = AudioSamples().fit_transform(padded)
    assert rows.shape == (2, 40)
    assert_array_equal(rows[0], rows[1])


def test_width_is_that_of_fit():
    samples = AudioSamples(100).fit(draw(50))
    assert samples.n_samples_ == 50
    match = r"1 of 2 clips are longer than 0\.5 s and were cut; the longest has 0\.6 s"
    with pytest.warns(TruncationWarning, match=f"{match}.*'#max_seconds=5' after"):
        rows = samples.transform(draw(60, 20))
    assert rows.shape == (2, 50)
    fixed = clone(samples).set_params(max_seconds=0.7).fit(draw(50))
    assert fixed.transform(draw(60)).shape == (1, 70)


def test_other_rates():
    seconds = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 200 * seconds)
    rows = AudioSamples().fit_transform([(tone, 8000)])
    expected = np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)
    assert_allclose(rows[0, 100:-100], expected[100:-100], atol=2e-3)
    assert_array_equal(AudioSamples(input_rate=8000).fit_transform([tone]), rows)
    with pytest.raises(ValueError, match="In row 1 of X, the rate is missing"):
        AudioSamples().fit([(tone, 8000), tone])


def test_what_is_no_clip():
    with pytest.raises(ValueError, match="In row 1 of X, the clip is silent"):
        AudioSamples().fit([np.ones(3), np.zeros(3)])
    with pytest.raises(
        TypeError, match="X must be a list, Series or array with an aud"
    ):
        AudioSamples().fit("clip.wav")
    for params in ({"sample_rate": 0}, {"input_rate": 0.5}, {"max_seconds": 0}):
        with pytest.raises(ValueError, match=f"`{next(iter(params))}` must be"):
            AudioSamples(**params).fit(draw(5))


def test_features_are_those_of_the_extractor():
    extractor = transformers.ASTFeatureExtractor(max_length=32, num_mel_bins=16)
    features = clone(AudioFeatures(extractor.to_dict()))
    clips = draw(3000, 5000)
    rows = features.fit_transform(clips)
    expected = extractor(clips, sampling_rate=16000, return_tensors="np")
    assert rows.dtype == np.float32
    assert_allclose(rows, expected["input_values"], rtol=1e-6)


def test_unknown_extractor():
    for name in ("NobodyFeatureExtractor", "BertModel", None):
        with pytest.raises(ValueError, match="no feature extractor"):
            AudioFeatures({"feature_extractor_type": name}).fit(draw(5))


def test_extractor_of_several_lengths():
    settings = transformers.SeamlessM4TFeatureExtractor().to_dict()
    with pytest.raises(ValueError, match="gives spectrograms of several lengths"):
        AudioFeatures(settings).fit_transform(draw(3000, 9000))
