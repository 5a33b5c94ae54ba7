"""The few names that scikit-learn keeps private or experimental, with the reason.

Nothing else in sktransfer imports a private name of scikit-learn.
"""

# Experimental in scikit-learn 1.9: callbacks may still move or change. Where they are
# missing, estimators simply take no callbacks.
try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks."""

    def with_callbacks(fit_method):
        """Return `fit_method` unchanged."""
        return fit_method


# `_check_sample_weight` has no public twin; scikit-learn's own checks demand its exact
# error sentences (all-zero weights, wrong shapes).
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = ["CallbackSupportMixin", "check_sample_weight", "with_callbacks"]
