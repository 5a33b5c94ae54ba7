"""Published accuracies of transfer components, on the same data.

Preprocessing of the published codes: SURF histograms divided by their sum, columns
z-scored per domain, rows scaled to unit length; digits scaled to unit length. The
projections are scaled to unit length before 1-NN. Full source, full target.
"""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from sktransfer import MMDAligner
from tests.feature.surf import surf_domains
from tests.shared_data import shared_file

pytestmark = pytest.mark.slow

# The row "TCA" of the benchmark table in the transferlearning repository.
PUBLISHED = {
    "C-A": 45.6, "C-W": 39.3, "C-D": 45.9, "A-C": 42.0, "A-W": 40.0, "A-D": 35.7,
    "W-C": 31.5, "W-A": 30.5, "W-D": 91.1, "D-C": 33.0, "D-A": 32.8, "D-W": 87.5,
}  # fmt: skip


# Averages in the same tables, and of the code of Zhang and Wu (2020) in its repository,
# whose first round reads the source's labels and ours does not.
AVERAGES = [
    ({"conditional": True}, 46.8, 0.5),
    (
        {
            "n_components": 100,
            "kernel": "linear",
            "conditional": "discriminative",
            "n_iter": 5,
        },
        48.0,
        0.6,
    ),
]
# The row "TJM" of tasks without the largest domain.
JOINT_MATCHING = {
    "A-W": 42.0, "A-D": 45.2, "W-A": 30.0, "W-D": 89.2, "D-A": 32.8, "D-W": 85.4,
}  # fmt: skip


def surf():
    for letter, (X, y) in surf_domains().items():
        yield letter, (normalize(X), y)


def digits():
    with np.load(shared_file("mnist_usps/mnist_usps.npz")) as file:
        mnist = normalize(file["mnist_X"] / 256.0), file["mnist_y"]
        return mnist, (normalize(file["usps_X"].astype(float)), file["usps_y"])


def accuracy(source, target, aligner, order=None):
    (X_source, y_source), (X_target, y_target) = source, target
    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(y_source)), -np.ones(len(y_target))]
    labels = np.r_[y_source, y_target].astype(int)
    order = np.arange(len(X)) if order is None else order
    y = np.where(domain < 0, -1, labels)[order]
    Z = normalize(aligner.fit_transform(X[order], y, sample_domain=domain[order]))
    is_source = domain[order] > 0
    nearest = KNeighborsClassifier(1).fit(Z[is_source], labels[order][is_source])
    return 100 * nearest.score(Z[~is_source], labels[order][~is_source])


def test_surf():
    domains = dict(surf())
    aligner = MMDAligner(30, kernel="linear", mu=1.0)
    got = {
        task: accuracy(domains[task[0]], domains[task[2]], aligner)
        for task in PUBLISHED
    }
    for task, published in PUBLISHED.items():
        assert abs(got[task] - published) <= 1.0, (task, got[task], published)
    assert round(np.mean(list(got.values())), 1) == 46.2


@pytest.mark.parametrize(("params", "published", "off"), AVERAGES)
def test_surf_averages(params, published, off):
    domains = dict(surf())
    aligner = MMDAligner(**{"n_components": 30, "mu": 1.0, **params})
    got = [accuracy(domains[task[0]], domains[task[2]], aligner) for task in PUBLISHED]
    assert abs(np.mean(got) - published) <= off


def test_surf_joint_matching():
    domains = dict(surf())
    aligner = MMDAligner(20, kernel="linear", mu=1.0, instance_sparsity=True)
    got = [
        accuracy(domains[task[0]], domains[task[2]], aligner) for task in JOINT_MATCHING
    ]
    assert abs(np.mean(got) - np.mean(list(JOINT_MATCHING.values()))) <= 1.0


@pytest.mark.parametrize(
    "aligner",
    [
        MMDAligner(30, kernel="linear", mu=1.0),
        MMDAligner(30, mu=1.0, conditional=True),
        MMDAligner(30, mu=1.0, conditional="discriminative"),
    ],
)
def test_surf_does_not_depend_on_the_order(aligner):
    domains = dict(surf())
    order = np.random.RandomState(0).permutation(295 + 157)
    in_order = accuracy(domains["W"], domains["D"], aligner)
    assert accuracy(domains["W"], domains["D"], aligner, order) == in_order


def test_digits():
    mnist, usps = digits()
    # Recomputed from the definition: 52.9 to 53.2 and 57.5 to 58.9 by setting.
    for aligner in (MMDAligner(30, mu=1.0), MMDAligner(100, mu=0.1)):
        assert 52.8 <= accuracy(usps, mnist, aligner) <= 53.3
        assert 57.4 <= accuracy(mnist, usps, aligner) <= 59.0


def test_digits_joint_distribution_adaptation():
    mnist, usps = digits()
    aligner = MMDAligner(100, mu=0.1, conditional=True)
    assert abs(accuracy(usps, mnist, aligner) - 59.7) <= 1.0
    assert abs(accuracy(mnist, usps, aligner) - 67.3) <= 1.0
