"""Hands sample weights to any estimator, however deep the one that consumes them.

scikit-learn has two ways: with metadata routing off a Pipeline wants
``last__sample_weight``; with routing on every consumer on the path must request
`sample_weight`. Both give the same fit here: the weights reach the last step of a
Pipeline, the estimator inside a search, and ensembles and calibrators with what they
contain; other steps and scorers stay unweighted unless the user requested otherwise.
"""

import warnings

import numpy as np
from sklearn import get_config
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.metrics import get_scorer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

__all__ = ["accepts_weights", "fit_weighted"]


def _inner(estimator):
    """Estimators on which the weights of `estimator` end up."""
    if isinstance(estimator, Pipeline):
        return [estimator.steps[-1][1]]
    named = getattr(estimator, "estimators", None)
    if isinstance(named, list | tuple) and named:
        return [sub for _, sub in named if hasattr(sub, "fit")]
    for name in ("estimator", "regressor"):
        sub = getattr(estimator, name, None)
        if hasattr(sub, "fit"):
            return [sub]
    return []


def accepts_weights(estimator):
    """Whether weights given to `estimator` reach what is fitted inside it."""
    if not hasattr(estimator, "fit"):
        return False
    own = has_fit_parameter(estimator, "sample_weight")
    inner = _inner(estimator)
    if own and isinstance(estimator, BaggingClassifier | BaggingRegressor):
        return True  # rows are drawn by weight; the base estimator needs none
    if not inner:
        return own
    return all(accepts_weights(sub) for sub in inner)


def _weight_keys(estimator):
    """Names of the fit parameters that carry the weights while routing is off."""
    inner = _inner(estimator)
    if isinstance(estimator, Pipeline):
        last = estimator.steps[-1][0]
        return [f"{last}__{key}" for key in _weight_keys(inner[0])]
    own = has_fit_parameter(estimator, "sample_weight")
    bagging = isinstance(estimator, BaggingClassifier | BaggingRegressor)
    if own and not bagging and len(inner) == 1 and isinstance(inner[0], Pipeline):
        # The calibrator looks for the word in the signature and would use the weights
        # for the calibration only; a pipeline takes them under its own name.
        return ["sample_weight", *_weight_keys(inner[0])]
    if own or len(inner) != 1:
        return ["sample_weight"]
    return _weight_keys(inner[0])


def _request_weights(estimator):
    """Let `estimator`, a clone of ours, request the weights along the path to a fit."""
    if has_fit_parameter(estimator, "sample_weight"):
        estimator.set_fit_request(sample_weight=True)
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            _decline_weights(step)
    if not isinstance(estimator, BaggingClassifier | BaggingRegressor):
        for sub in _inner(estimator):
            _request_weights(sub)


def _decline_weights(step):
    """Leave a step off the path unweighted, unless the user requested otherwise."""
    nested = step.get_params(deep=True).values() if hasattr(step, "get_params") else []
    for part in (step, *nested):
        if (
            hasattr(part, "set_fit_request")
            and has_fit_parameter(part, "sample_weight")
            and not part.get_metadata_routing().consumes("fit", ["sample_weight"])
        ):
            part.set_fit_request(sample_weight=False)


class _UnweightedScorer:
    """Score without weights, by name or by the estimator's own `score`.

    A search hands weights on to a scorer that takes them, but only if it finds them
    under their plain name: the result would depend on the depth of the pipeline.
    """

    def __init__(self, name=None):
        self.name = name

    def __call__(self, estimator, X, y=None):
        if self.name is None:
            return estimator.score(X, y)
        return get_scorer(self.name)(estimator, X, y)


def _unweight_scoring(estimator):
    is_search = hasattr(estimator, "scoring") and hasattr(estimator, "error_score")
    scoring = estimator.scoring if is_search else False
    if scoring is None or isinstance(scoring, str):
        estimator.set_params(scoring=_UnweightedScorer(scoring))
    elif isinstance(scoring, list | tuple | set):
        named = {name: _UnweightedScorer(name) for name in scoring}
        estimator.set_params(scoring=named)
    elif isinstance(scoring, dict):
        named = {
            key: _UnweightedScorer(value) if isinstance(value, str) else value
            for key, value in scoring.items()
        }
        estimator.set_params(scoring=named)
    for sub in _inner(estimator):
        _unweight_scoring(sub)


def fit_weighted(estimator, X, y, weights, fit_params):
    """Fit `estimator`, which the caller owns, with `weights` (None: without)."""
    if weights is None:
        return estimator.fit(X, y, **fit_params)
    weights = np.asarray(weights)
    _unweight_scoring(estimator)
    if get_config()["enable_metadata_routing"]:
        _request_weights(estimator)
        return estimator.fit(X, y, sample_weight=weights, **fit_params)
    keys = dict.fromkeys(_weight_keys(estimator), weights)
    with warnings.catch_warnings():
        # The calibrator warns before the pipeline's own key is looked at.
        warnings.filterwarnings("ignore", "Since Pipeline does not appear to accept")
        # Unweighted on purpose, see _UnweightedScorer.
        warnings.filterwarnings("ignore", "The scoring .* does not support sample_w")
        return estimator.fit(X, y, **keys, **fit_params)
