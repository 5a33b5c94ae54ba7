import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer import ULSIFWeighter
from sktransfer.instance._centre_kernels import draw_centres, weighted_rows
from sktransfer.instance._ulsif import SquaredLoss, leave_one_out
from sktransfer.instance._ulsif_search import choose

RIDGES = np.array([0.001, 0.1, 1.0])


def draw(n, p=3, seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, p)), 0.7 * rng.normal(size=(n, p)) + 0.5


def losses(source, target, centres, gamma, alpha, ridges=RIDGES):
    """Return the losses of left-out and of kept rows."""
    rows = centres.rows + centres.origin
    domains = [
        (rbf_kernel(part.X, rows, gamma=gamma), np.full(len(part), 1 / len(part)))
        for part in (source, target)
    ]
    return leave_one_out(SquaredLoss.of_kernels(*domains, alpha), *domains, ridges)


def prepare(n, n_centers):
    source, target = (weighted_rows(X) for X in draw(n))
    return source, target, draw_centres(target, n_centers, np.random.RandomState(0))


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_few_rows_are_all_left_out(alpha):
    domains_and_centres = prepare(200, 30)
    gammas = np.array([0.02, 0.2, 2.0])
    found = choose(*domains_and_centres, gammas, RIDGES, alpha)
    table = [losses(*domains_and_centres, gamma, alpha)[0] for gamma in gammas]
    k, j = np.unravel_index(np.argmin(table), (3, 3))
    assert found[:2] == (gammas[k], RIDGES[j])
    assert_allclose(found[2], table[k][j])


@pytest.mark.parametrize(("ridges", "rtol"), [(RIDGES, 1e-5), (1e-8 * RIDGES, 1e-9)])
def test_many_rows_and_centres(ridges, rtol):
    """In single precision, unless the penalties are too small for it."""
    source, target, centres = prepare(1500, 100)
    gamma, ridge, score = choose(source, target, centres, np.array([0.2]), ridges, 0.3)
    assert gamma == 0.2
    parts = [rows.thin_out(700) for rows in (source, target)]
    # The penalties in proportion to the centres.
    left_out, kept = losses(*parts, centres.thin_out(40), 0.2, 0.3, 0.4 * ridges)
    with_all = left_out - 0.5 * (1 - 700 / 1500) * (left_out - kept)
    at = np.argmin(with_all)
    assert ridge == ridges[at]
    assert_allclose(score, left_out[at], rtol=rtol)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_near_to_the_best_of_the_grid(alpha):
    """The loss on fresh rows is near to the least that any pair has."""
    share = []
    for seed in range(3):
        X, domain = np.vstack(draw(1500, 5, seed)), np.repeat([1, -1], 1500)
        fresh = draw(5000, 5, seed + 100)

        def gain(fresh=fresh, X=X, domain=domain, **params):
            """Return by how much the loss is below that of a ratio of one."""
            weighter = ULSIFWeighter(alpha=alpha, **params)
            ratio = weighter.fit(X, sample_domain=domain).ratios_[0]
            s, t = (np.exp(ratio(rows)) for rows in fresh)
            loss = (1 - alpha) / 2 * np.mean(s**2) + alpha / 2 * np.mean(t**2)
            return t.mean() - loss - 0.5

        widths = ULSIFWeighter(gamma="median").fit(X, sample_domain=domain).gamma_
        best = max(
            gain(gamma=float(widths[0] * k), ridge=ridge)
            for k in ULSIFWeighter().gammas
            for ridge in ULSIFWeighter().ridges
        )
        share.append(gain() / best)
    assert np.mean(share) > 0.85
