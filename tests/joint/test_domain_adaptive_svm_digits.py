"""DomainAdaptiveSVM at its defaults from one speaker to another, on spoken digits.

Every third ordered pair of the six speakers; 200 rows each, z-scored by speaker. No
parameter was chosen on these rows.
"""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.svm import SVC

from sktransfer import DomainAdaptiveSVM
from tests.spoken_digits import spoken_digits

PLAIN = {
    "ge-ja": 0.705, "ge-th": 0.605, "ja-lu": 0.440, "ja-yw": 0.705, "lu-ni": 0.435,
    "ni-ge": 0.635, "ni-th": 0.550, "th-ja": 0.830, "th-yw": 0.560, "yw-lu": 0.460,
}  # fmt: skip
ADAPTED = {
    "ge-ja": 0.890, "ge-th": 0.830, "ja-lu": 0.600, "ja-yw": 0.745, "lu-ni": 0.590,
    "ni-ge": 0.945, "ni-th": 0.715, "th-ja": 0.990, "th-yw": 0.665, "yw-lu": 0.495,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:DomainAdaptiveSVM did not end")
def test_between_speakers():
    domains = spoken_digits()
    tasks = ["-".join(pair) for pair in permutations(domains, 2)][::3]
    assert tasks == list(PLAIN)
    plain, adapted = [], []
    for task in tasks:
        (X_source, y_source), (X_target, y_target) = map(domains.get, task.split("-"))
        assert len(y_source) == len(y_target) == 200
        machine = SVC(kernel="rbf").fit(X_source, y_source)
        plain.append(machine.score(X_target, y_target))
        X, y = np.r_[X_source, X_target], np.r_[y_source, np.full(200, -1)]
        adapted.append(DomainAdaptiveSVM().fit(X, y).score(X_target, y_target))
    assert_allclose(plain, list(PLAIN.values()), atol=0.03)
    assert_allclose(adapted, list(ADAPTED.values()), atol=0.03)
    assert np.mean(adapted) >= np.mean(plain) + 0.08
