import pickle
import warnings

import librosa
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import resample_poly
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags

from sktransfer.deep import MelSpectrogram
from sktransfer.deep.preprocessing import _mel_frames as module
from sktransfer.deep.preprocessing._mel_bank import hertz_to_mel, mel_bank, mel_to_hertz
from sktransfer.deep.preprocessing._mel_frames import mel_frames
from sktransfer.deep.preprocessing._resample_clip import count_resampled, resample_clip
from sktransfer.exceptions import TruncationWarning
from tests.shared_data import shared_file


def noise(n_samples, seed=0):
    return np.random.RandomState(seed).normal(scale=0.1, size=n_samples)


def by_librosa(samples, rate=16000, n_fft=400, hop_length=160, n_mels=40, **params):
    return librosa.feature.melspectrogram(
        y=samples,
        sr=rate,
        n_fft=n_fft,
        hop_length=hop_length,
        n_mels=n_mels,
        pad_mode="constant",
        htk=False,
        norm="slaney",
        **params,
    ).T


# The spectrogram.


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n_fft": 512, "hop_length": 100, "n_mels": 23},
        {"n_fft": 401, "hop_length": 401, "n_mels": 10},
        {"hop_length": 500, "power": 1.0},
        {"power": 0.7, "n_mels": 64},
        {"f_min": 133.3, "f_max": 6855.5},
    ],
)
def test_equals_librosa(params):
    clip = noise(5003)
    found = MelSpectrogram(**params).fit_transform([clip])
    renamed = {
        {"f_min": "fmin", "f_max": "fmax"}.get(name, name): value
        for name, value in params.items()
    }
    expected = by_librosa(clip, **renamed)
    assert found.shape == (1, *expected.shape)
    assert_allclose(found[0], expected, rtol=1e-5)
    assert found.dtype == np.float32


def test_equals_librosa_at_another_rate():
    clip = noise(4000)
    found = MelSpectrogram(8000, n_fft=256, hop_length=64).fit_transform([clip])
    assert_allclose(found[0], by_librosa(clip, 8000, 256, 64), rtol=1e-5)


@pytest.mark.parametrize("n_samples", [1, 2, 159, 160, 161, 400])
def test_short_clips(n_samples):
    clip = noise(n_samples) + 0.05
    found = MelSpectrogram().fit_transform([clip])
    with warnings.catch_warnings():
        # librosa's: a frame is longer than the clip.
        warnings.simplefilter("ignore", UserWarning)
        expected = by_librosa(clip)
    assert found.shape[1:] == expected.shape
    assert_allclose(found[0], expected, rtol=1e-5, atol=1e-12)


def test_equals_a_discrete_fourier_transform_written_out():
    n_fft, hop, rate, n_mels = 16, 5, 1000, 3
    clip = noise(23)
    place = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * place / n_fft)
    padded = np.concatenate([np.zeros(8), clip, np.zeros(8)])
    # Up to 1 kHz, Slaney's mels are even in Hz.
    edges = np.linspace(0, 500, n_mels + 2)
    expected = np.zeros((1 + 23 // hop, n_mels))
    for frame in range(len(expected)):
        part = padded[frame * hop : frame * hop + n_fft] * window
        for k in range(n_fft // 2 + 1):
            power = abs(np.sum(part * np.exp(-2j * np.pi * k * place / n_fft))) ** 2
            hertz = k * rate / n_fft
            for band in range(n_mels):
                low, middle, high = edges[band : band + 3]
                height = min((hertz - low) / (middle - low), (high - hertz) / 125)
                expected[frame, band] += max(0, height) * power / 125
    model = MelSpectrogram(rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels)
    assert_allclose(model.fit_transform([clip])[0], expected, rtol=1e-6)


def test_a_spoken_digit_equals_librosa():
    with np.load(shared_file("free_spoken_digits/fsdd_subset.npz")) as file:
        start, stop = file["offsets"][500:502]
        clip = file["samples"][start:stop]
    found = MelSpectrogram(8000, n_fft=200, hop_length=80).fit_transform([clip])
    expected = by_librosa(clip / 32768, 8000, 200, 80)
    assert_allclose(found[0], expected, rtol=1e-5)


@given(st.integers(0, 20000), st.integers(0, 20000))
@settings(deadline=None)
def test_the_mel_scale(first, second):
    assert_allclose(hertz_to_mel(first), librosa.hz_to_mel(first), rtol=1e-12)
    assert_allclose(mel_to_hertz(hertz_to_mel(first)), first, atol=1e-8)
    assert (hertz_to_mel(first) < hertz_to_mel(second)) == (first < second)


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "f_min", "f_max"),
    [(16000, 400, 40, 0, 8000), (16000, 400, 80, 0, 8000), (22050, 2048, 128, 50, 9e3)],
)
def test_the_bank_is_that_of_librosa(rate, n_fft, n_mels, f_min, f_max):
    expected = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, dtype=np.float64
    )
    found = mel_bank(rate, n_fft, n_mels, f_min, f_max)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_triangles_have_area_one():
    bank = mel_bank(16000, 2**15, 40, 0, 8000)
    assert_allclose(bank.sum(axis=1) * 16000 / 2**15, 1, rtol=1e-3)


def test_a_tone_is_loudest_in_its_band():
    seconds = np.arange(16000) / 16000
    tones = [np.sin(2 * np.pi * hertz * seconds) for hertz in (200, 1000, 5000)]
    model = MelSpectrogram()
    found = model.fit_transform(tones)[:, 50].argmax(axis=1)
    edges = mel_to_hertz(np.linspace(0, hertz_to_mel(8000), 42))
    for hertz, band in zip((200, 1000, 5000), found, strict=True):
        assert edges[band] < hertz < edges[band + 2]


def test_doubling_a_clip_quadruples_its_power():
    clip = noise(2000)
    once, twice = MelSpectrogram().fit_transform([clip, 2 * clip])
    assert_allclose(twice, 4 * once, rtol=1e-6)


def test_long_clips_are_done_in_blocks(monkeypatch):
    clip = noise(8000)
    expected = MelSpectrogram().fit_transform([clip])
    monkeypatch.setattr(module, "BLOCK", 7)
    assert_allclose(MelSpectrogram().fit_transform([clip]), expected, rtol=1e-6)


def test_the_first_frames_need_only_the_beginning():
    clip = noise(8000)
    bank, window = mel_bank(16000, 400, 40, 0, 8000), np.hanning(400)
    whole = mel_frames(clip, bank, window, 160, 2, 10**6)
    assert len(whole) == 51
    assert_allclose(mel_frames(clip, bank, window, 160, 2, 9), whole[:9], rtol=1e-9)


def test_logarithm():
    clip = np.concatenate([noise(2000), np.zeros(4000), noise(10)])
    power = MelSpectrogram().fit([noise(9000)]).transform([clip])[0]
    log = MelSpectrogram(log=True).fit([noise(9000)]).transform([clip])[0]
    n_own = 1 + len(clip) // 160
    expected = np.log(np.maximum(power[:n_own].astype(np.float64), 1e-10))
    assert_allclose(log[:n_own], expected, rtol=1e-6, atol=1e-6)
    assert (log[:n_own].min(axis=1) < -23).any()  # silence within the clip
    assert_array_equal(log[n_own:], 0)


# What a clip may be.


def test_integers_are_scaled():
    sixteen = np.random.RandomState(0).randint(-(2**15), 2**15, 1000).astype(np.int16)
    forms = [
        sixteen / 2**15,
        sixteen,
        sixteen.astype(np.int32) * 2**16,
        (sixteen / 2**15).astype(np.float32),
        list(sixteen / 2**15),
    ]
    found = MelSpectrogram().fit_transform(forms)
    for row in found[1:]:
        assert_allclose(row, found[0], rtol=1e-6)
    eight = np.array([0, 128, 255, 64] * 50, dtype=np.uint8)
    found = MelSpectrogram().fit_transform([eight, (eight - 128.0) / 128])
    assert_array_equal(found[0], found[1])


def test_lists_tables_and_object_arrays_give_the_same():
    table = noise(3 * 1000).reshape(3, 1000)
    objects = np.empty(3, dtype=object)
    objects[:] = list(table)
    expected = MelSpectrogram().fit_transform(table)
    series = pd.Series(list(table), index=[4, 4, 2])
    for form in (list(table), tuple(table), objects, series, pd.DataFrame(table)):
        assert_array_equal(MelSpectrogram().fit_transform(form), expected)


def test_rates():
    clip = noise(4000)
    doubled = resample_poly(clip, 2, 1)
    expected = MelSpectrogram().fit_transform([doubled])
    forms = [
        (MelSpectrogram(input_rate=8000), [clip]),
        (MelSpectrogram(), [(clip, 8000)]),
        (MelSpectrogram(), [[clip, np.int64(8000)]]),
        (MelSpectrogram(), [(clip, 8000.0)]),
        (MelSpectrogram(), [(clip, np.array(8000))]),
        (MelSpectrogram(input_rate=44100), [(clip, 8000)]),
    ]
    pairs = np.empty((1, 2), dtype=object)
    pairs[0, 0], pairs[0, 1] = clip, 8000
    forms.append((MelSpectrogram(), pairs))
    for model, X in forms:
        assert_array_equal(model.fit_transform(X), expected)
    mixed = MelSpectrogram().fit_transform([(clip, 8000), (doubled, 16000)])
    assert_array_equal(mixed[0], mixed[1])


def test_two_samples_are_no_pair():
    found = MelSpectrogram().fit_transform([[0.1, 0.2], np.array([0.1, 0.2])])
    assert_array_equal(found[0], found[1])
    assert found[0].any()


@given(st.integers(1, 300), st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]))
@settings(deadline=None, max_examples=30)
def test_the_length_of_a_resampled_clip_is_known(n_samples, rate):
    clip = np.random.RandomState(n_samples).normal(size=n_samples)
    found = resample_clip(clip, rate, 16000)
    assert len(found) == count_resampled(n_samples, rate, 16000)
    divisor = np.gcd(rate, 16000)
    # The filter is kept; it must be the one that scipy makes.
    assert_array_equal(found, resample_poly(clip, 16000 // divisor, rate // divisor))


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_a_resampled_tone_is_the_tone(rate):
    def tone(rate):
        return np.sin(2 * np.pi * 700 * np.arange(rate // 2) / rate)

    inner = slice(500, -500)  # the filter reaches beyond the ends
    found = resample_clip(tone(rate), rate, 16000)
    assert_allclose(found[inner], tone(16000)[inner], atol=5e-3)


def test_quiet_clips_are_raised_and_loud_ones_left():
    quiet, loud = 0.001 * noise(4000) / noise(4000).std(), noise(4000)
    plain = MelSpectrogram().fit_transform([quiet, loud])
    raised = MelSpectrogram(loudness=-30.0).fit_transform([quiet, loud])
    rms = np.sqrt(np.mean(quiet**2))
    gain = 10 ** (-30 / 20) / rms
    assert 20 * np.log10(rms) < -59
    assert_allclose(raised[0], plain[0] * gain**2, rtol=1e-5)
    assert_array_equal(raised[1], plain[1])


def test_loudness_is_that_of_resemblyzer():
    # preprocess_wav raises to -30 dBFS of the root mean square, and only raises.
    quiet = 0.001 * noise(4000)
    level = 20 * np.log10(np.sqrt(np.mean((quiet * 32767) ** 2)) / 32767)
    expected = by_librosa(quiet * 10 ** ((-30 - level) / 20))
    found = MelSpectrogram(loudness=-30.0).fit_transform([quiet])
    assert_allclose(found[0], expected, rtol=1e-5)


def test_what_does_not_fit_in_32_bits_is_said():
    for factor in (1e-30, 1e25):
        X = [noise(500), factor * noise(500)]
        with pytest.raises(
            ValueError, match=r"In row 1 of X, .* 0 or infinite in 32 bits"
        ):
            MelSpectrogram().fit_transform(X)
    late = np.concatenate([np.zeros(5000), noise(500)])
    with pytest.raises(ValueError, match=r"In row 0 of X, .* of 11 frames is 0"):
        MelSpectrogram(max_seconds=0.1).fit_transform([late])
    quiet, plain = MelSpectrogram(loudness=0.0).fit_transform(
        [1e-200 * noise(500), noise(500)]
    )
    assert_allclose(quiet, plain, rtol=1e-5)


# The width.


def test_shorter_clips_end_in_zeros():
    clips = [noise(1600), noise(8000), noise(4000)]
    model = MelSpectrogram().fit(clips)
    assert model.n_frames_ == 51
    found = model.transform(clips)
    for clip, row in zip(clips, found, strict=True):
        n_own = 1 + len(clip) // 160
        assert row[:n_own].all()
        assert not row[n_own:].any()
        assert_array_equal(row[:n_own], MelSpectrogram().fit_transform([clip])[0])


def test_longer_clips_are_cut_with_one_warning():
    clips = [noise(16000), noise(800), noise(32000)]
    whole = MelSpectrogram().fit_transform(clips)
    model = MelSpectrogram(max_seconds=0.5).fit(clips)
    assert model.n_frames_ == 51
    with pytest.warns(TruncationWarning, match=r"2 of 3 clips have more than 51") as w:
        found = model.transform(clips)
    assert len(w) == 1
    assert "the longest has 2 s. Set `max_seconds`" in str(w[0].message)
    assert_allclose(found, whole[:, :51], rtol=1e-6)
    learned = MelSpectrogram().fit(clips[1:2])
    with pytest.warns(TruncationWarning):
        assert_allclose(learned.transform(clips), whole[:, :6], rtol=1e-6)


def test_what_just_fits_is_not_cut():
    found = MelSpectrogram(max_seconds=0.5).fit_transform([noise(8000), noise(8159)])
    assert found.shape == (2, 51, 40)


def test_rows_do_not_touch_each_other():
    clips = [noise(n, seed) for seed, n in enumerate((1600, 8000, 333, 4000))]
    model = MelSpectrogram(loudness=-20.0, input_rate=8000).fit(clips)
    together = model.transform(clips)
    assert_array_equal(model.transform(clips[::-1]), together[::-1])
    for row, clip in enumerate(clips):
        assert_array_equal(model.transform([clip])[0], together[row])


# Errors.


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (np.zeros(100), r"the clip is silent, all samples are 0\. Leave it out"),
        (np.full(100, 128, dtype=np.uint8), "the clip is silent"),
        (np.zeros(0), "the clip has no sample"),
        ([], "the clip has no sample"),
        (np.zeros((2, 100)), r"one channel, got shape \(2, 100\)\. Mix the channels"),
        ([[0.1, 0.2], [0.3, 0.4]], r"one channel, got shape \(2, 2\)"),
        (np.array([0.1, np.nan]), "must be finite, got NaN or inf"),
        (np.array([0.1, np.inf]), "must be finite, got NaN or inf"),
        (np.arange(100), r"floats in \[-1, 1\], int16, int32 or uint8, got int64"),
        (np.ones(100, dtype=complex), "got complex128"),
        (np.array(["a", "b"]), "must be floats"),
        (np.array([0.1, {}], dtype=object), "must be floats"),
        (None, "must be an array of samples, got None"),
        (0.5, r"must be an array of samples, got 0\.5"),
        ("a.wav", "got str. Read a file with `soundfile.read`"),
        (
            (8000, noise(100)),
            r"got a tuple of unequal parts\. Pairs are \(samples, rate\)",
        ),
        ([[0.1], [0.2, 0.3]], "got a list of unequal parts"),
    ],
)
def test_the_first_row_that_is_no_clip_is_named(bad, sentence):
    clips = [noise(100), bad, bad]
    with pytest.raises(ValueError, match=f"In row 1 of X, .*{sentence}"):
        MelSpectrogram().fit(clips)
    with pytest.raises(ValueError, match=f"In row 1 of X, .*{sentence}"):
        MelSpectrogram().fit(clips[:1]).transform(clips)


@pytest.mark.parametrize("rate", [0, -8000, np.nan, np.inf, 8000.5, "8000"])
def test_a_rate_must_be_positive(rate):
    X = [(noise(100), 8000), (noise(100), rate)]
    with pytest.raises(ValueError, match="In row 1 of X, the rate must be a positive"):
        MelSpectrogram().fit(X)


def test_a_rate_must_not_be_missing_beside_others():
    clip = noise(100)
    sentence = r"In row 1 of X, the rate is missing\. Pass a pair \(samples, rate\), or"
    for X in ([(clip, 8000), clip], [(clip, 8000), (clip, None)]):
        with pytest.raises(ValueError, match=sentence):
            MelSpectrogram().fit(X)
    fitted = MelSpectrogram().fit([(clip, 8000)])
    with pytest.raises(ValueError, match="In row 0 of X, the rate is missing"):
        fitted.transform([clip])
    fitted = MelSpectrogram().fit([clip])
    with pytest.raises(ValueError, match="In row 1 of X, the rate is missing"):
        fitted.transform([(clip, 8000), clip])


@pytest.mark.parametrize(
    ("X", "error", "sentence"),
    [
        ([], ValueError, "got no row"),
        (noise(100), ValueError, r"two axes.*got shape \(100,\)\. Wrap a single clip"),
        (noise(40).reshape(2, 2, 10), ValueError, r"two axes.*got shape \(2, 2, 10\)"),
        ("clip.wav", TypeError, "got str. Wrap a single one in a list"),
        ({"a": 1}, TypeError, "got dict"),
        (csr_array(np.eye(3)), TypeError, r"Sparse data are not supported"),
    ],
)
def test_what_is_no_list_of_clips_is_said(X, error, sentence):
    with pytest.raises(error, match=sentence):
        MelSpectrogram().fit(X)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"sample_rate": 0}, "`sample_rate` must be an integer"),
        ({"input_rate": 0}, r"`input_rate` must be an integer in \[1, inf\) or None"),
        ({"n_fft": 1}, "`n_fft` must be an integer"),
        ({"hop_length": 0}, "`hop_length` must be an integer"),
        ({"n_mels": 0}, "`n_mels` must be an integer"),
        ({"n_mels": 200}, r"of 200 mel bands are narrower .* 40 Hz, .*Lower `n_mels`"),
        ({"f_min": 8000.0}, r"`f_min` must be a finite number in \[0, 8000.0\)"),
        ({"f_max": 8001.0}, r"`f_max` must be a finite number in \(0.0, 8000.0\]"),
        ({"power": 0.0}, "`power` must be a finite number"),
        ({"log": "db"}, "`log` must be one of True, False"),
        ({"loudness": 1.0}, "`loudness` must be a finite number"),
        ({"max_seconds": 0.0}, "`max_seconds` must be a finite number"),
    ],
)
def test_wrong_parameters_are_said(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        MelSpectrogram(**params).fit([noise(100)])


# As a transformer of scikit-learn.


def test_the_clips_of_the_caller_are_unchanged():
    clips = [noise(500), (noise(500) * 3e4).astype(np.int16), noise(500).astype("f4")]
    before = [clip.copy() for clip in clips]
    for clip in clips:
        clip.flags.writeable = False
    MelSpectrogram(loudness=-10.0, input_rate=8000, log=True).fit_transform(clips)
    for clip, kept in zip(clips, before, strict=True):
        assert_array_equal(clip, kept)


def test_clone_pickle_and_parameters():
    clips = [noise(800), noise(1600)]
    model = MelSpectrogram(n_mels=20)
    expected = model.fit_transform(clips)
    assert_array_equal(pickle.loads(pickle.dumps(model)).transform(clips), expected)
    copy = clone(model)
    with pytest.raises(NotFittedError):
        copy.transform(clips)
    assert copy.set_params(n_mels=10).fit_transform(clips).shape == (2, 11, 10)
    tags = get_tags(model)
    assert tags.requires_fit
    assert not tags.input_tags.two_d_array


def test_in_a_pipeline_and_cross_validation():
    y = np.arange(20) % 2
    clips = [
        np.sin(np.arange(800 + 40 * row) * (0.2 + label)) for row, label in enumerate(y)
    ]
    mean = FunctionTransformer(lambda X: X.mean(axis=1))
    mel = MelSpectrogram(max_seconds=0.1)
    model = make_pipeline(mel, mean, LogisticRegression())
    for X in (clips, pd.Series(clips), [(clip, 16000) for clip in clips]):
        assert_array_equal(cross_val_score(model, X, y, cv=4), 1.0)


# scikit-learn's checks for transformers but those that take columns for features, as
# many in every X, take 64-bit integers, or ask for one sentence about complex numbers.
@pytest.mark.parametrize(
    "check",
    [
        checks.check_dict_unchanged,
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_dont_overwrite_parameters,
        checks.check_estimator_repr,
        checks.check_estimator_sparse_array,
        checks.check_estimator_sparse_matrix,
        checks.check_estimator_tags_renamed,
        checks.check_estimators_fit_returns_self,
        checks.check_estimators_nan_inf,
        checks.check_estimators_overwrite_params,
        checks.check_estimators_pickle,
        checks.check_estimators_unfitted,
        checks.check_f_contiguous_array_estimator,
        checks.check_fit1d,
        checks.check_fit2d_1feature,
        checks.check_fit2d_1sample,
        checks.check_fit_check_is_fitted,
        checks.check_fit_idempotent,
        checks.check_fit_score_takes_y,
        checks.check_get_params_invariance,
        checks.check_methods_sample_order_invariance,
        checks.check_methods_subset_invariance,
        checks.check_mixin_order,
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_pipeline_consistency,
        checks.check_readonly_memmap_input,
        checks.check_set_params,
        checks.check_transformer_preserve_dtypes,
        checks.check_transformers_unfitted,
        checks.check_valid_tag_types,
    ],
)
def test_scikit_learn_checks_on_tables(check):
    check("MelSpectrogram", MelSpectrogram())
