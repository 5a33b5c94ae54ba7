"""The promises about limit cases: no target, degenerate rows, collapsed weights."""

import warnings

import numpy as np
from sklearn.base import clone

from sktransfer.exceptions import NoTargetWarning, WeightCollapseWarning
from sktransfer.utils._check_data import data_for, degenerate_data, kind_of, result

__all__ = [
    "check_collapse_is_said",
    "check_degenerate_data",
    "check_sample_domain_errors",
    "check_without_target",
]


def check_without_target(estimator):
    """Without target rows nothing is adapted, and a NoTargetWarning says so."""
    data = data_for(estimator)
    y = np.arange(len(data.X)) % 3
    fitted = clone(estimator)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted.fit(data.X, y)
    warned = any(issubclass(w.category, NoTargetWarning) for w in caught)
    assert warned, "no NoTargetWarning says that nothing is adapted"
    if kind_of(estimator) == "aligner":
        np.testing.assert_array_equal(np.asarray(fitted.transform(data.X)), data.X)
    else:
        np.testing.assert_array_equal(fitted.sample_weight_, np.ones(len(y)))


def check_degenerate_data(estimator):
    """Degenerate data give finite results or a ValueError, never NaN."""
    for name, data in degenerate_data(data_for(estimator, n_source=30, n_target=20)):
        try:
            outputs = result(estimator, data)
        except ValueError as error:
            if len(str(error)) > 20:
                continue
            raise AssertionError(f"{name}: the error says too little") from error
        for output in outputs:
            finite = output is None or np.isfinite(output).all()
            assert finite, f"{name}: the result is not finite"


def check_sample_domain_errors(estimator):
    """Refuse a sample_domain that cannot be meant."""
    data = data_for(estimator)
    zero = data.domain.copy()
    zero[0] = 0
    for sentence, domain in (
        ("a sample_domain of the wrong length was taken", data.domain[:-1]),
        ("a sample_domain with 0 was taken", zero),
        ("a sample_domain without target was taken", np.abs(data.domain)),
        ("a sample_domain without source was taken", -np.abs(data.domain)),
        ("an unknown string was taken", np.where(data.domain > 0, "source", "goal")),
    ):
        try:
            result(estimator, data.with_(domain=domain))
        except ValueError as error:
            if "sample_domain" in str(error):
                continue
            raise
        raise AssertionError(sentence)


def check_collapse_is_said(estimator):
    """Weights on a few rows give a warning that names the effective sample size."""
    cases = dict(degenerate_data(data_for(estimator)))
    far, fitted = cases["domains far apart"], clone(estimator)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted.fit(far.X, far.y, sample_domain=far.domain)
        except ValueError:
            return
    if fitted.effective_sample_size_ < 5:
        size = f"{fitted.effective_sample_size_:.1f}"
        assert any(
            issubclass(w.category, WeightCollapseWarning) and size in str(w.message)
            for w in caught
        ), f"no warning says that the effective sample size is {size}"
