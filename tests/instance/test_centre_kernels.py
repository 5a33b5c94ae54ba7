import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist, pdist

from sktransfer._kernels import content_order
from sktransfer._separation import evenly_spaced
from sktransfer.instance._centre_kernels import (
    check_grid,
    draw_centres,
    median_gamma,
    weighted_rows,
)


def draw(n_source=60, n_target=50, p=2, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[
        rng.normal(size=(n_source, p)), 0.7 * rng.normal(size=(n_target, p)) + 0.5
    ]
    return X, np.repeat([1, -1], [n_source, n_target])


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_distances(offset):
    X = draw()[0] + offset
    target = weighted_rows(X[60:])
    centres = draw_centres(target, 10, np.random.RandomState(0))
    rows = centres.rows + centres.origin
    expected = cdist(X, rows, "sqeuclidean")
    assert_allclose(centres.squared_distances(X), expected, atol=1e-7)
    parts = np.vstack([block for _, block in centres.blocks(X)])
    assert_allclose(parts, expected, atol=1e-7)
    thin = draw_centres(
        weighted_rows(sparse.csr_array(X[60:])), 10, np.random.RandomState(0)
    )
    if offset == 0:
        assert_allclose(
            thin.squared_distances(sparse.csr_array(X)), expected, atol=1e-9
        )


def test_fewer_centres():
    centres = draw_centres(weighted_rows(draw()[0]), 40, np.random.RandomState(0))
    few = centres.thin_out(15)
    assert len(few) == len(np.unique(few.rows, axis=0)) == 15
    assert_array_equal(few.rows[0], centres.rows[0])
    assert centres.thin_out(40) is centres.thin_out(99) is centres


def test_rows_and_their_shares():
    X = np.array([[1.0, 2.0], [3.0, 1.0], [1.0, 2.0], [0.0, 0.0]])
    rows = weighted_rows(X)
    found = {tuple(row): share for row, share in zip(rows.X, rows.weights, strict=True)}
    assert found == {(1.0, 2.0): 0.5, (3.0, 1.0): 0.25, (0.0, 0.0): 0.25}
    some = rows.draw(2, np.random.RandomState(0))
    assert all(
        found[tuple(row)] == w for row, w in zip(some.X, some.weights, strict=True)
    )


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_rows_by_their_places_among_all(kind):
    X = np.round(draw(300, 5)[0], 1)
    X = np.r_[X, X[:40]]
    places = evenly_spaced(200, len(X))
    found = weighted_rows(kind(X)).at(places)
    assert found.shape == (200, 2)
    found = found if kind is np.asarray else found.toarray()
    assert_array_equal(found, X[content_order(X, 0)[places]])


def test_many_rows_that_differ_are_read_as_they_are_given():
    X = draw(1000, 0)[0]
    rows = weighted_rows(X).as_given()
    assert np.shares_memory(rows.X, X)
    assert_array_equal(rows.X[rows.groups], X)
    for few in (X[:999], np.r_[X, X[:1]]):
        rows = weighted_rows(few)
        assert rows.as_given() is rows


def test_median_width():
    X = draw(40, 30)[0]
    source, target = weighted_rows(X[:40]), weighted_rows(np.r_[X[40:], X[40:]])
    expected = 1 / np.median(pdist(X, "sqeuclidean"))
    assert_allclose(median_gamma(source, target), expected)


@pytest.mark.parametrize("values", [(), 1.0, "cv", (1.0, -1.0), (np.nan,), (1.0, None)])
def test_bad_grid(values):
    with pytest.raises(ValueError, match="`gammas` must be a sequence of one or more"):
        check_grid("gammas", values)
    assert_array_equal(check_grid("ridges", (0, 1)), [0.0, 1.0])
    with pytest.raises(ValueError, match=r"numbers in \(0, inf\)"):
        check_grid("gammas", (0.0, 1.0), low_open=True)
