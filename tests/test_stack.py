"""Domains that are apart come together, and can be taken apart again."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from sktransfer import TransferClassifier
from sktransfer._domains import resolve_domains
from sktransfer._stack import stack_domains
from sktransfer.model_selection import TargetKFold

TWO, ONE = np.array([[0.0], [1.0]]), np.array([[5.0]])


@st.composite
def domains(draw, n_features):
    """One domain of integer codes; -1 is a mark, None says that all are unlabelled."""
    n = draw(st.integers(1, 5))
    X = np.array(draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n)))
    codes = draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n))
    return X[:, None] + np.zeros(n_features), draw(
        st.sampled_from([None, np.array(codes)])
    )


@st.composite
def both_sides(draw):
    n_features = draw(st.integers(1, 3))
    sides = [
        draw(st.lists(domains(n_features), min_size=1, max_size=3)) for _ in range(2)
    ]
    # The source has every class: -1 cannot be taken for one, and a target of a single
    # class does not look re-encoded.
    sides[0].append((np.zeros((3, n_features)), np.array([0, 1, 2])))
    return sides


CODERS = {
    "integers": lambda y: y,
    "int8 list": lambda y: y.astype(np.int8).tolist(),
    "strings": lambda y: np.array(["", "a", "bb", "ccc"])[y + 1],
    "None": lambda y: [None if c < 0 else "abc"[c] for c in y],
    "floats": lambda y: np.where(y < 0, np.nan, y * 0.5),
    "nullable": lambda y: pd.Series(
        [pd.NA if c < 0 else int(c) for c in y], dtype="Int64"
    ),
    "category": lambda y: pd.Categorical.from_codes(y, ["a", "b", "c"]),
    "polars": lambda y: pl.Series(
        [None if c < 0 else int(c) for c in y], dtype=pl.Int8
    ),
    "outputs": lambda y: np.column_stack([y, y]),
}


@pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS)
@settings(deadline=None, max_examples=30)
@given(sides=both_sides())
def test_round_trip(coder, sides):
    encoded = [[(X, y if y is None else coder(y)) for X, y in side] for side in sides]
    X, y, sample_domain = stack_domains(*encoded)
    pairs = [*sides[0], *sides[1]]
    n_source = len(sides[0])
    found = resolve_domains(y, sample_domain, len(X))
    for i, (X_part, y_part) in enumerate(pairs):
        rows = sample_domain == (i + 1 if i < n_source else -(i + 1))
        np.testing.assert_array_equal(X[rows], X_part)
        y_part = np.full(len(X_part), -1) if y_part is None else y_part
        np.testing.assert_array_equal(found.labeled[rows], y_part >= 0)
        labeled = rows & found.labeled
        back = np.asarray(coder(y_part[y_part >= 0]))
        np.testing.assert_array_equal(y[labeled], back.astype(y.dtype))
    assert len(X) == sum(len(X_part) for X_part, _ in pairs)
    assert (np.diff(np.abs(sample_domain)) >= 0).all()


@pytest.mark.parametrize(
    ("y_source", "y_target", "expected"),
    [
        ([3, 4], None, [3, 4, -1]),
        (np.array([3, 4], np.uint8), None, [3, 4, -1]),
        ([True, False], None, [1, 0, -1]),
        ([True, False], [True], [True, False, True]),
        ([True, None], [False], [1, -1, 0]),
        ([True, False], [2], [1, 0, 2]),
        (["a", "bcd"], None, ["a", "bcd", ""]),
        (["a", np.nan], pd.Series(["b"], dtype="category"), ["a", "", "b"]),
        (np.array([b"a", b"b"]), ["c"], ["a", "b", "c"]),
        (np.array(["a", ""], np.dtypes.StringDType()), ["c"], ["a", "", "c"]),
        ([1.5, None], None, [1.5, np.nan, np.nan]),
        ([1, 2], [0.5], [1.0, 2.0, 0.5]),
        ([-1, 1.5], [-1.0], [-1.0, 1.5, -1.0]),
        ([1, 2], [np.nan], [1, 2, -1]),
        (["a", "b"], [np.nan], ["a", "b", ""]),
        ([[1], [2]], [3], [1, 2, 3]),
        ([[1.5, 2], [3, 4]], None, [[1.5, 2], [3, 4], [np.nan, np.nan]]),
        ([["a", "b"], ["c", "d"]], None, [["a", "b"], ["c", "d"], ["", ""]]),
        (pd.Series([True, pd.NA], dtype="boolean"), [False], [1, -1, 0]),
        (pl.Series(["a", None]), None, ["a", "", ""]),
        (pl.DataFrame({"u": [1, 2], "v": [3, 4]}), None, [[1, 3], [2, 4], [-1, -1]]),
        ([-1, 1], [1], [-1, 1, 1]),  # nothing unlabelled: -1 is a class
        ([0.5, 1.5], [1], [0.5, 1.5, 1.0]),
        ([np.nan, 1], np.array([0.5]), [np.nan, 1.0, 0.5]),  # no -1 among the integers
        ([1, 1], [-1], [1, 1, -1]),
    ],
)
def test_labels(y_source, y_target, expected):
    _, y, _ = stack_domains((TWO, y_source), (ONE, y_target))
    expected = np.array(expected)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype.kind == expected.dtype.kind


def test_forms_ids_and_names():
    pair, target = (TWO, [0, 1]), (ONE, None)
    for source in (pair, [pair], {"a": pair}):
        X, y, ids = stack_domains(source, target)
        assert (X.ravel().tolist(), y.tolist()) == ([0.0, 1.0, 5.0], [0, 1, -1])
        assert ids.tolist() == [1, 1, -2]
        assert ids.dtype == np.int64
    *_, ids, names = stack_domains([pair, pair], {"t": target}, return_names=True)
    assert ids.tolist() == [1, 1, 2, 2, -3]
    assert names == {1: "source_1", 2: "source_2", -3: "t"}
    # A domain may be named alike on both sides: ids keep them apart.
    *_, names = stack_domains({"a": pair}, {"a": pair}, return_names=True)
    assert names == {1: "a", -2: "a"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.bool_])
@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
def test_arrays_keep_dtype_and_shape(dtype, shape):
    source, target = np.ones((2, *shape), dtype), np.zeros((1, *shape), dtype)
    X, _, _ = stack_domains((source, [0, 1]), (target, None))
    assert X.dtype == dtype
    np.testing.assert_array_equal(X, np.concatenate([source, target]))
    X[:] = 1
    assert not target.any()  # the result is a copy


def test_lists_stack_as_arrays():
    X, _, _ = stack_domains(([[0, 1], [2, 3]], [0, 1]), (np.array([[0.5, 1]]), None))
    np.testing.assert_array_equal(X, [[0, 1], [2, 3], [0.5, 1]])


def test_sentences_go_into_a_text_pipeline():
    source = ["a cold day", "a warm day", "cold rain", "warm sun"]
    X, y, domain = stack_domains(
        (source, [0, 1, 0, 1]), (pd.Series(["warm wind", "cold wind"]), None)
    )
    assert X.tolist() == [*source, "warm wind", "cold wind"]
    assert TfidfVectorizer().fit_transform(X).shape == (6, 6)
    model = make_pipeline(TfidfVectorizer(), TransferClassifier(LogisticRegression()))
    model.fit(X, y, transferclassifier__sample_domain=domain)
    assert model.predict(["warm wind", "cold wind"]).tolist() == [1, 0]


@pytest.mark.parametrize(
    "form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array]
)
def test_sparse_becomes_csr(form):
    dense = np.array([[0, 2.0], [1, 0]], np.float32)
    X, _, _ = stack_domains((form(dense), [0, 1]), (form(dense[:1]), None))
    assert X.format == "csr"
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X.toarray(), dense[[0, 1, 0]])


@pytest.mark.parametrize("module", [pd, pl])
def test_columns_follow_the_source(module):
    source = module.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    target = module.DataFrame({"b": ["z"], "a": [1.5]})
    X, y, _ = stack_domains(
        (source, module.Series([0, 1])), (target, module.Series([None]))
    )
    assert isinstance(X, module.DataFrame)
    assert list(X.columns) == ["a", "b"]
    assert X["a"].to_list() == [1.0, 2.0, 1.5]
    assert X["b"].to_list() == ["x", "y", "z"]
    assert y.tolist() == [0, 1, -1]
    assert list(target.columns) == ["b", "a"]


def test_pandas_index_is_new_and_categories_are_merged():
    kind = pd.CategoricalDtype(["p", "q"], ordered=True)
    source = pd.DataFrame(
        {"a": pd.Categorical(["x", "y"]), "b": pd.Categorical(["p", "q"], dtype=kind)},
        index=[7, 7],
    )
    target = pd.DataFrame(
        {"a": pd.Categorical(["z"]), "b": pd.Categorical(["q"], dtype=kind)}
    )
    X, _, _ = stack_domains((source, [0, 1]), (target, None))
    assert X.index.tolist() == [0, 1, 2]
    assert X["a"].dtype == pd.CategoricalDtype(["x", "y", "z"])
    assert X["a"].tolist() == ["x", "y", "z"]
    assert X["b"].dtype == kind
    assert source["a"].dtype == pd.CategoricalDtype(["x", "y"])


def test_inputs_are_unchanged_and_may_be_read_only():
    X, y = TWO.copy(), np.array([0, -1])
    X.setflags(write=False)
    y.setflags(write=False)
    pairs = [(X, y), (X, np.array([0, 1]))]
    stack_domains(pairs, (X, None))
    assert len(pairs) == 2


def test_neither_pandas_nor_polars_is_imported():
    code = (
        "import sys, numpy as np; from sktransfer._stack import stack_domains; "
        "stack_domains((np.eye(2), [0, 1]), (np.eye(2), None)); "
        "assert not {'pandas', 'polars'} & set(sys.modules)"
    )
    # scikit-learn may import pandas itself; then there is nothing to see.
    plain = "import sys, sklearn.utils; assert 'pandas' not in sys.modules"
    if not subprocess.run([sys.executable, "-c", plain], check=False).returncode:
        subprocess.run([sys.executable, "-c", code], check=True)


FRAME = pd.DataFrame({"a": [1, 2], "b": [3, 4]})


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ((TWO, [0, 1]), ONE, r"`target` must be a pair \(X, y\).* got ndarray"),
        ([], (ONE, None), "`source` must be a pair .* got an empty list"),
        ((TWO, [0, 1]), [ONE], "target domain 'target_1' must be a tuple .* ndarray"),
        ({"s": (TWO,)}, (ONE, None), "source domain 's' must be .* tuple of length 1"),
        (((TWO, [0, 1]), (TWO, [0, 1])), (ONE, None), "as a list of pairs"),
        (
            (TWO, [0]),
            (ONE, None),
            "y of source domain .* must have one row for each",
        ),
        (
            (TWO, [0, 1]),
            (ONE[:0], None),
            "'target_1' has no rows. Leave the",
        ),
        ((TWO, [0, 1]), (ONE.ravel(), None), "Rows of numbers need two: X.reshape"),
        ((TWO, [0, 1]), (5.0, None), "must hold rows: .* got float"),
        ((TWO, [0, 1]), ([[1], [2, 3]], None), "The rows of X of .* differ in shape"),
        ((TWO, [0, 1]), (np.eye(2), None), "has 1 columns, .*'target_1' has 2"),
        ((np.zeros((2, 3, 3)), [0, 1]), (ONE, None), r"has \(3, 3\) values per row"),
        ((TWO, [0, 1]), (["a text"], None), "an array of numbers, .* is sentences"),
        ((TWO, [0, 1]), ([["a"]], None), "is an array of strings. Convert"),
        ((TWO, [0, 1]), (sparse.eye_array(1), None), "is a sparse matrix. Convert"),
        ((FRAME, [0, 1]), (TWO, None), "a pandas DataFrame, .* an array of numbers"),
        ((FRAME, [0, 1]), (pl.DataFrame(FRAME), None), "is a polars DataFrame"),
        (
            (FRAME, [0, 1]),
            (FRAME.rename(columns={"b": "c"}), None),
            r"has 2: it misses \['b'\], has besides \['c'\]",
        ),
        ((FRAME, [0, 1]), (FRAME[["a", "b", "b"]], None), "it has a column name twice"),
        ((FRAME[["a", "a"]], [0, 1]), (FRAME, None), "has a column name twice. Rename"),
        ((TWO, [0, 1]), (ONE, ["a"]), "'source_1': integers; .*'target_1': strings"),
        ((TWO, [0.5, 1]), (ONE, [True]), "'source_1': floats; .*'target_1': bools"),
        ((TWO, [0, -1]), (ONE, [0.5]), "integers with -1 among them, and another"),
        ((TWO, [0, "a"]), (ONE, None), "must hold integers, .* got int, str"),
        ((TWO, [0j, 1]), (ONE, None), "must hold integers, .* got complex, int"),
        ((TWO, np.array([1, 2], "M8[s]")), (ONE, None), "strings or floats, got datet"),
        ((TWO, None), (ONE, None), "No domain has a label"),
        ((TWO, [-1, -1]), (ONE, [np.nan]), "No domain has a label"),
        ((TWO, [[0, 1], [1, -1]]), (ONE, None), "only some outputs are marked"),
        ((TWO, [[0, 1], [1, 1]]), (ONE, [1]), "has 2 columns, y of target .* has 1"),
        ((TWO, [-1, 1]), (ONE, None), "Labels are -1 and 1: .* Rename the classes"),
        ((TWO, [-1, 1]), (ONE, [-1]), "Labels are -1 and 1: -1 could be a class"),
        ((TWO, [-1, 1]), (TWO, [1, None]), "and some rows are unlabelled. Rename"),
        ((TWO, [1, None]), (ONE, [1]), "and some rows are unlabelled"),
        ([(TWO, [1, 1]), (ONE, None)], (ONE, [1]), "and some rows are unlabelled"),
    ],
)
def test_bad_input(source, target, sentence):
    with pytest.raises(ValueError, match=sentence):
        stack_domains(source, target)


def test_what_comes_back_goes_into_a_search():
    rng = np.random.RandomState(0)
    source = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    target = pd.DataFrame(rng.normal(size=(40, 2)) + 1, columns=["a", "b"])
    y_source = np.where(source["a"] > 0, "up", "down")
    y_target = np.where(target["a"] > 1, "up", "down").astype(object)
    y_target[20:] = None
    X, y, domain = stack_domains((source, y_source), (target[["b", "a"]], y_target))
    cv = TargetKFold(4)
    tested = np.concatenate([test for _, test in cv.split(X, y, domain)])
    np.testing.assert_array_equal(np.sort(tested), np.arange(60, 80))
    model = TransferClassifier(LogisticRegression())
    params = {"sample_domain": domain}
    by_hand = TransferClassifier(LogisticRegression())
    scores = cross_validate(model, X, y, groups=domain, cv=cv, params=params)
    for score, (train, test) in zip(
        scores["test_score"], cv.split(X, y, domain), strict=True
    ):
        by_hand.fit(X.iloc[train], y[train], sample_domain=domain[train])
        assert score == np.mean(by_hand.predict(X.iloc[test]) == y[test])
