"""What users pass as X: arrays of numbers, or what a named backbone prepares."""

import numpy as np
from sklearn.utils.validation import validate_data

__all__ = ["check_rows", "n_rows_of", "take_rows"]


def n_rows_of(X):
    """Return the number of rows of what a named backbone takes."""
    if isinstance(X, str | bytes) or not hasattr(X, "__len__"):
        raise ValueError(
            "X must be a list, Series or array with one entry for each sample, got "
            f"{type(X).__name__}. Wrap a single one in a list."
        )
    return len(X)


def take_rows(X, rows):
    """Return rows of a list, a Series, a DataFrame or an array."""
    if len(rows) == len(X) and np.array_equal(rows, np.arange(len(X))):
        return X
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, np.ndarray):
        return X[rows]
    return [X[row] for row in rows]


def check_rows(model, X, *, reset):
    """Validate rows of numbers, with any number of axes; return them.

    Whole numbers stay whole where the backbone may look them up, token ids for example.
    """
    kinds = [np.float64, np.float32]
    if model.backbone is not None:
        kinds += [np.int64]
    try:
        # In C order, however they come: the last digits of a product depend on it.
        X = validate_data(model, X, reset=reset, dtype=kinds, order="C", allow_nd=True)
    except ValueError as error:
        is_numbers = isinstance(X, np.ndarray) and X.dtype.kind in "biuf"
        if model.backbone is None or is_numbers:
            raise
        raise ValueError(
            f"{error} A module takes one array of numbers. Make it by "
            "ImagePreprocessor, SentenceTokenizer or MelSpectrogram in a pipeline, or "
            "name a backbone ('torchvision:...', 'hf:...'), which prepares its rows."
        ) from error
    if reset:
        model.input_shape_ = tuple(X.shape[1:])
    elif tuple(X.shape[1:]) != model.input_shape_:
        raise ValueError(
            f"{type(model).__name__} was fitted on rows of shape "
            f"{model.input_shape_}, got {tuple(X.shape[1:])}."
        )
    return X
