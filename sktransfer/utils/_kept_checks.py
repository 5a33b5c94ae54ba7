"""Checks that scikit-learn runs on its own estimators and keeps from third parties."""

from sklearn.base import clone
from sklearn.utils import estimator_checks as sk_checks

__all__ = ["kept_checks"]

_FOR_ALL = (
    sk_checks.check_dataframe_column_names_consistency,
    sk_checks.check_inplace_ensure_writeable,
)
_FOR_TRANSFORMERS = (
    sk_checks.check_transformer_get_feature_names_out,
    sk_checks.check_transformer_get_feature_names_out_pandas,
    sk_checks.check_get_feature_names_out_error,
    sk_checks.check_set_output_transform,
    sk_checks.check_set_output_transform_pandas,
    sk_checks.check_set_output_transform_polars,
    sk_checks.check_global_output_transform_pandas,
    sk_checks.check_global_set_output_transform_polars,
)


def kept_checks(estimator):
    """Yield them as functions of an estimator; they skip where a library is missing."""
    yield from map(_of_estimator, _FOR_ALL)
    if hasattr(estimator, "transform"):
        yield from map(_of_estimator, _FOR_TRANSFORMERS)


def _of_estimator(check):
    def run(estimator):
        check(type(estimator).__name__, clone(estimator))

    run.__name__, run.__doc__ = check.__name__, check.__doc__
    return run
