"""Rows of several domains, whatever holds them, as one X."""

import sys

import numpy as np
from scipy import sparse

__all__ = ["n_rows", "stack_rows"]

_WORDS = {
    "text": "sentences",
    "sparse": "a sparse matrix",
    "pandas": "a pandas DataFrame",
    "polars": "a polars DataFrame",
    "numbers": "an array of numbers",
    "strings": "an array of strings",
    "objects": "an array of objects",
}


def n_rows(X):
    """Return the number of rows of any kind of X."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def stack_rows(Xs, labels_of):
    """Stack the rows of domains of one kind.

    Parameters
    ----------
    Xs : list of array-like
        Rows of each domain.
    labels_of : list of str
        How errors name each domain.

    Returns
    -------
    ndarray, DataFrame or sparse matrix
    """
    parts = [_kind_and_rows(X, of) for X, of in zip(Xs, labels_of, strict=True)]
    kind = parts[0][0]
    for (other, _), of in zip(parts, labels_of, strict=True):
        if other != kind:
            raise ValueError(
                f"X of {labels_of[0]} is {_WORDS[kind]}, X of {of} is {_WORDS[other]}. "
                "Convert them to the same kind."
            )
    rows = [part for _, part in parts]
    for part, of in zip(rows, labels_of, strict=True):
        if not n_rows(part):
            raise ValueError(f"X of {of} has no rows. Leave the domain out.")
    if kind in ("pandas", "polars"):
        rows = _same_columns(rows, labels_of)
        return _stack_pandas(rows) if kind == "pandas" else _stack_polars(rows)
    for part, of in zip(rows, labels_of, strict=True):
        _check_same_shape(rows[0], part, labels_of[0], of)
    if kind == "sparse":
        return sparse.vstack(rows, format="csr")
    return np.concatenate(rows)


def _is_instance(X, module, name):
    # Whoever hands over a DataFrame has imported its library already.
    return module in sys.modules and isinstance(X, getattr(sys.modules[module], name))


def _kind_and_rows(X, of):
    """Return the kind of X as a word and the rows in the form that is stacked."""
    for module in ("pandas", "polars"):
        if _is_instance(X, module, "DataFrame"):
            return module, X
    if sparse.issparse(X):
        return "sparse", X
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"The rows of X of {of} differ in shape. Give every row the same shape."
        ) from error
    if array.ndim == 1:
        return "text", _sentences(array, of)
    if array.ndim == 0:
        raise ValueError(
            f"X of {of} must hold rows: an array, a list, a DataFrame or a sparse "
            f"matrix, got {type(X).__name__}."
        )
    kinds = {"U": "strings", "S": "strings", "O": "objects"}
    return kinds.get(array.dtype.kind, "numbers"), array


def _sentences(array, of):
    if not all(isinstance(entry, str) for entry in array.tolist()):
        raise ValueError(
            f"X of {of} has one dimension, and it does not hold sentences. Rows of "
            "numbers need two: X.reshape(-1, 1) if there is a single feature."
        )
    return array.astype(object)


def _check_same_shape(first, part, first_of, of):
    if part.shape[1:] != first.shape[1:]:
        what = "columns" if first.ndim == part.ndim == 2 else "values per row"
        counts = [
            rows.shape[1] if what == "columns" else rows.shape[1:]
            for rows in (first, part)
        ]
        raise ValueError(
            f"X of {first_of} has {counts[0]} {what}, X of {of} has {counts[1]}. All "
            "domains need the same features."
        )


def _same_columns(frames, labels_of):
    """Return the frames with the columns of the first, in its order."""
    names = list(frames[0].columns)
    if len(set(names)) < len(names):
        raise ValueError(f"X of {labels_of[0]} has a column name twice. Rename it.")
    for frame, of in zip(frames, labels_of, strict=True):
        missing = [name for name in names if name not in set(frame.columns)]
        extra = [name for name in frame.columns if name not in set(names)]
        if missing or extra or len(frame.columns) > len(names):
            found = ", ".join(
                f"{word} {columns}"
                for word, columns in (("misses", missing), ("has besides", extra))
                if columns
            )
            raise ValueError(
                f"X of {labels_of[0]} has {len(names)} columns, X of {of} has "
                f"{len(frame.columns)}: it {found or 'has a column name twice'}. All "
                "domains need the same columns."
            )
    return [frame[names] for frame in frames]


def _stack_polars(frames):
    # "relaxed": integers in one domain and floats in another become floats.
    return sys.modules["polars"].concat(frames, how="vertical_relaxed")


def _stack_pandas(frames):
    pandas = sys.modules["pandas"]
    shared = {}
    for name in frames[0].columns:
        dtypes = [frame[name].dtype for frame in frames]
        if all(
            isinstance(d, pandas.CategoricalDtype) and not d.ordered for d in dtypes
        ):
            shared[name] = _shared_categories(pandas, dtypes)
    frames = [frame.astype(shared) for frame in frames] if shared else frames
    return pandas.concat(frames, ignore_index=True)


def _shared_categories(pandas, dtypes):
    # concat makes plain objects of categories that differ; models that read the
    # dtype would lose the column. The order of ordered ones cannot be merged.
    categories = dtypes[0].categories
    for dtype in dtypes[1:]:
        categories = categories.append(dtype.categories).unique()
    return pandas.CategoricalDtype(categories)
