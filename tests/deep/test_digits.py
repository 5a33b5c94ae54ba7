"""Fine-tuning beats the target images alone and the source alone, on real digits."""

import numpy as np
import pytest

from sktransfer.deep import FineTunedClassifier
from tests.deep.digits_transfer import digits_transfer


def accuracies(seed):
    """Held-out accuracy: fine-tuned, source only, target only for as many epochs."""
    X_source, y_source, X_target, y_target, X_test, y_test = digits_transfer(10, seed)
    X, y = np.r_[X_source, X_target], np.r_[y_source, y_target]
    domain = np.r_[np.ones(len(y_source)), -np.ones(len(y_target))]
    params = {"lr": 0.01, "random_state": seed}
    tuned = FineTunedClassifier(pretrain_epochs=5, max_epochs=100, **params)
    source = FineTunedClassifier(pretrain_epochs=5, **params)
    target = FineTunedClassifier(pretrain_epochs=100, **params)
    tuned.fit(X, y, sample_domain=domain)
    source.fit(X_source, y_source)
    target.fit(X_target, y_target)
    return [model.score(X_test, y_test) for model in (tuned, source, target)]


@pytest.mark.slow
def test_ten_labelled_images_a_class():
    scores = np.array([accuracies(seed) for seed in range(5)])
    means, spread = scores.mean(axis=0), scores.std(axis=0, ddof=1)
    print("fine-tuned, source only, target only:", means.round(3), spread.round(3))
    # The seeds share held-out images and labelled ones: compare seed by seed.
    tuned, *others = scores.T
    for other in others:
        gain = tuned - other
        assert gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain))
