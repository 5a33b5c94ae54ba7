"""What weighters by density ratio share: scales, bounds, several sources, new rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sktransfer import GaussianWeighter
from sktransfer.exceptions import NoTargetWarning


def domains(seed=0):
    rng = np.random.RandomState(seed)
    parts = [rng.normal(m, 1, size=(n, 2)) for m, n in ((-1, 80), (1, 40), (0, 60))]
    return np.concatenate(parts), np.repeat([1, 2, -1], [80, 40, 60])


def test_each_source_is_weighted_by_itself():
    X, domain = domains()
    both = GaussianWeighter().fit(X, sample_domain=domain)
    for number in (1, 2):
        rows = (domain == number) | (domain < 0)
        alone = GaussianWeighter().fit(X[rows], sample_domain=domain[rows])
        mine = domain == number
        assert_allclose(both.sample_weight_[mine], alone.sample_weight_[mine[rows]])
        assert_allclose(both.sample_weight_[mine].mean(), 1)


def test_rows_of_fit_get_their_weights_again():
    X, domain = domains()
    source = domain > 0
    for params in ({}, {"clip": 2.0}, {"flatten": 0.5}, {"clip": 3.0, "flatten": 0.0}):
        weighter = GaussianWeighter(**params).fit(X, sample_domain=domain)
        found = weighter.weigh(X[source], sample_domain=domain[source])
        assert_allclose(found, weighter.sample_weight_[source])


def test_without_domains_the_source_is_their_mixture():
    X, domain = domains()
    weighter = GaussianWeighter().fit(X, sample_domain=domain)
    logs = [ratio(X) for ratio in weighter.ratios_]
    scales = [np.exp(r[domain == k]).mean() for k, r in zip((1, 2), logs, strict=True)]
    each = [np.exp(r) / s for r, s in zip(logs, scales, strict=True)]
    expected = 1 / (80 / 120 / each[0] + 40 / 120 / each[1])
    assert_allclose(weighter.weigh(X), expected)


def test_clip_and_flatten():
    X, domain = domains()
    X, domain = X[domain != 2], domain[domain != 2]
    source = domain > 0
    plain = GaussianWeighter().fit(X, sample_domain=domain).sample_weight_[source]
    clipped = GaussianWeighter(clip=1.5).fit(X, sample_domain=domain)
    expected = np.minimum(plain, 1.5)
    assert_allclose(clipped.sample_weight_[source], expected / expected.mean())
    flat = GaussianWeighter(flatten=0.3).fit(X, sample_domain=domain)
    assert_allclose(flat.sample_weight_[source], plain**0.3 / np.mean(plain**0.3))
    assert flat.effective_sample_size_ > clipped.effective_sample_size_ > 0


def test_weigh_errors_and_a_later_fit_without_target():
    X, domain = domains()
    weighter = GaussianWeighter().fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match=r"source domains of fit, \[1, 2\], got \[3\]"):
        weighter.weigh(X[:2], sample_domain=[1, 3])
    with pytest.warns(NoTargetWarning):
        weighter.fit(X, np.arange(len(X)) % 2)
    assert_allclose(weighter.weigh(X), 1)
    for params in ({"clip": 0}, {"flatten": 1.5}, {"flatten": -0.1}):
        with pytest.raises(ValueError, match=f"`{next(iter(params))}` must be"):
            GaussianWeighter(**params).fit(X, sample_domain=domain)


def test_rows_far_away_do_not_overflow():
    X, domain = domains()
    domain = np.where(domain == 2, 1, domain)
    weighter = GaussianWeighter().fit(X.astype(np.float32), sample_domain=domain)
    found = weighter.weigh(np.full((1, 2), 1e6, dtype=np.float32))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
