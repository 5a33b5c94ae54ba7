"""Every public estimator is named wherever a reader looks for it."""

import inspect
import re
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sktransfer

ROOT = Path(__file__).resolve().parent.parent
ESTIMATORS = [
    name
    for name in sktransfer.__all__
    if inspect.isclass(item := getattr(sktransfer, name))
    and issubclass(item, BaseEstimator)
    and not inspect.isabstract(item)
]
PLACES = ["README.md", "docs/api/index.rst", "docs/user_guide/*.rst", "CHANGELOG.md"]


@pytest.mark.parametrize("place", PLACES)
def test_every_estimator_is_named(place):
    paths = sorted(ROOT.glob(place))
    assert paths, place
    texts = [path.read_text(encoding="utf-8") for path in paths]
    words = set(re.findall(r"\w+", " ".join(texts)))
    missing = sorted(set(ESTIMATORS) - words)
    assert not missing, f"{place} does not name {missing}"
