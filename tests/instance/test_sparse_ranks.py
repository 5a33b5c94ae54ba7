import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sktransfer.instance._choice import canonical_order
from sktransfer.instance._sparse_ranks import sparse_ranks


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 30),
    p=st.integers(1, 6),
    values=st.sampled_from([(0, 1), (-1, 0, 1), (-2, -1, 0, 0, 0, 3)]),
)
def test_ranks_of_dense_rows(seed, n, p, values):
    rng = np.random.RandomState(seed)
    X = rng.choice(values, (n, p)).astype(float)
    ranks = sparse_ranks(sparse.csr_array(X))
    rows = [tuple(row) for row in X]
    expected = [sum(other < row for other in rows) for row in rows]
    np.testing.assert_array_equal(ranks, expected)
    y = rng.randint(2, size=n)
    np.testing.assert_array_equal(
        canonical_order(sparse.csc_array(X), y), canonical_order(X, y)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_entries_that_are_stored_as_zero_or_twice(dtype):
    X = sparse.csr_array(
        (
            np.array([0, 2, 1, 1, 2, -1], dtype=dtype),
            np.array([0, 1, 1, 1, 1, 2]),
            np.array([0, 2, 4, 5, 6]),
        ),
        shape=(4, 3),
    )
    kept = X.data.copy()
    np.testing.assert_array_equal(sparse_ranks(X), [1, 1, 1, 0])
    np.testing.assert_array_equal(X.data, kept)


def test_many_rows_of_many_columns():
    rng = np.random.RandomState(0)
    X = sparse.random_array((3000, 2000), density=0.01, random_state=rng, format="csr")
    twice = sparse.vstack([X, X]).tocsr()
    ranks = sparse_ranks(twice)
    np.testing.assert_array_equal(ranks[:3000], ranks[3000:])
    assert len(set(ranks)) == 3000
    dense = np.lexsort(X.toarray().T[::-1])
    np.testing.assert_array_equal(np.argsort(ranks[:3000]), dense)
