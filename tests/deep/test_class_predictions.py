import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata

from sktransfer.deep._class_predictions import _log_odds


@pytest.mark.parametrize("scale", [1, 30, 700])
def test_log_odds_rank_as_the_probabilities_do(scale):
    scores = np.random.RandomState(0).normal(size=10_000) * scale
    scores = scores.astype(np.float32).astype(np.float64)
    scores = scores[scores > -700]  # below, probabilities underflow
    found = _log_odds(scores)
    np.testing.assert_array_equal(rankdata(expit(scores)), rankdata(found))
    small = np.abs(scores) < 15
    np.testing.assert_allclose(found[small], scores[small], rtol=1e-7, atol=1e-9)
    assert np.isfinite(_log_odds(np.array([-1e4, 1e4]))).all()
