"""What users pass as X: arrays of numbers, or what a named backbone prepares."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

__all__ = ["check_rows", "n_rows_of", "seems_channels_last", "take_rows"]


def n_rows_of(X):
    """Return the number of rows of what a named backbone takes."""
    if isinstance(X, str | bytes) or not hasattr(X, "__len__"):
        raise ValueError(
            "X must be a list, Series or array with one entry for each sample, got "
            f"{type(X).__name__}. Wrap a single one in a list."
        )
    if issparse(X):
        raise TypeError(
            "A backbone by its name takes images, texts or clips, one for each sample, "
            f"got a sparse {type(X).__name__}. Pass those themselves."
        )
    if len(X) == 0:
        raise ValueError("X must have one entry for each sample, got none.")
    return len(X)


def seems_channels_last(shape):
    """Whether rows of this shape look like images with their channels last."""
    colours = (1, 3, 4)
    return len(shape) == 3 and shape[2] in colours and shape[0] not in (*colours, 2)


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
    except (TypeError, ValueError) as error:
        if _is_numbers(X):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{str(error).removesuffix('.')}. A network takes one array of numbers. "
            "Make it by ImagePreprocessor, SentenceTokenizer or MelSpectrogram in a "
            "pipeline, or name a backbone ('torchvision:...', 'hf:...'), which "
            "prepares its rows."
        ) from error
    if reset:
        model.input_shape_ = tuple(X.shape[1:])
    elif tuple(X.shape[1:]) != model.input_shape_:
        raise ValueError(
            f"{type(model).__name__} was fitted on rows of shape "
            f"{model.input_shape_}, got {tuple(X.shape[1:])}."
        )
    return X


def _is_numbers(X):
    """Whether X is an array or table of numbers, so that something else is wrong."""
    if issparse(X):
        return True
    try:
        return np.asarray(X).dtype.kind in "biufc"
    except ValueError:  # rows of unequal shapes
        return False
