"""The adapter slot: what it takes, and the order in which adapters work."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from sktransfer._adaptation import adapt, adapter_list, align_rows, take_rows
from sktransfer._domains import resolve_domains
from tests.adapters import ByFirstColumn, Centerer, PositiveRows


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 3))
    domain = np.where(np.arange(40) % 3 == 0, -1, 1)
    X[domain < 0] += 2.0
    y = np.where(domain < 0, -1, (X[:, 2] > 0).astype(int))
    return X, y, resolve_domains(y, domain, 40)


def test_slot_content():
    centerer = Centerer()
    assert adapter_list(None) == adapter_list("passthrough") == []
    assert adapter_list(centerer) == adapter_list([centerer]) == [centerer]


@pytest.mark.parametrize("wrong", [StandardScaler(), "mmd", 3, [Centerer(), "mmd"]])
def test_what_is_no_adapter_is_refused(wrong):
    with pytest.raises(TypeError, match="must be an aligner, a weighter, a selector"):
        adapter_list(wrong)


def test_one_aligner(data):
    X, y, domains = data
    fitted, Z, rows, weights = adapt([Centerer()], X, y, domains)
    assert_array_equal(rows, np.arange(40))
    assert weights is None
    assert_allclose(Z[domains.is_target].mean(axis=0), 0, atol=1e-12)
    assert_allclose(Z[~domains.is_target].mean(axis=0), 0, atol=1e-12)
    assert_array_equal(align_rows(fitted, X[:2], None), X[:2] - fitted[0].target_mean_)


def test_adapters_work_in_order(data):
    X, y, domains = data
    adapters = [PositiveRows(), Centerer(), ByFirstColumn()]
    fitted, Z, rows, weights = adapt(adapters, X, y, domains)
    kept = (X[:, 1] > 0) | domains.is_target
    assert_array_equal(rows, np.flatnonzero(kept))
    source = kept & ~domains.is_target
    # The aligner saw only the selected rows, and the weighter the aligned ones.
    assert_allclose(fitted[1].source_mean_, X[source].mean(axis=0))
    assert fitted[2].n_source_ == source.sum()
    in_source = ~domains.is_target[rows]
    expected = np.exp(Z[in_source, 0])
    assert_allclose(weights[in_source], expected / expected.mean())


def test_weights_multiply_and_follow_a_later_selection(data):
    X, y, domains = data
    *_, rows, weights = adapt([ByFirstColumn(), PositiveRows()], X, y, domains)
    alone = ByFirstColumn().fit(X, y, sample_domain=domains.domain).sample_weight_
    assert_allclose(weights, alone[rows])
    *_, twice = adapt([ByFirstColumn(), ByFirstColumn()], X, y, domains)
    assert_allclose(twice, alone**2)


def test_adapters_are_cloned(data):
    X, y, domains = data
    adapter = Centerer()
    adapt([adapter], X, y, domains)
    assert not hasattr(adapter, "source_mean_")


def test_without_target_nothing_changes():
    X, y = np.eye(4), np.array([0, 1, 0, 1])
    domains = resolve_domains(y, None, 4)
    adapters = [Centerer(), ByFirstColumn(), PositiveRows()]
    _, Z, rows, weights = adapt(adapters, X, y, domains)
    assert_array_equal(Z, X)
    assert_array_equal(rows, np.arange(4))
    assert_array_equal(weights, np.ones(4))


def test_take_rows_of_every_container():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    values, rows = np.arange(12.0).reshape(4, 3), np.array([2, 0])
    assert_array_equal(take_rows(values, rows), values[rows])
    assert_array_equal(
        take_rows(sparse.csc_array(values), rows).toarray(), values[rows]
    )
    assert_array_equal(take_rows(pd.DataFrame(values), rows).to_numpy(), values[rows])
    assert_array_equal(take_rows(pl.DataFrame(values), rows).to_numpy(), values[rows])
    assert take_rows(["a", "b", "c"], rows) == ["c", "a"]
