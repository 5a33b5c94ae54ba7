"""Labels of several domains as one y, the unlabelled rows marked."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from sktransfer._domains import is_unlabeled, label_array

__all__ = ["stack_labels"]

_MARKERS = {"integers": -1, "bools": -1, "strings": "", "floats": np.nan}


@dataclass(frozen=True)
class _Labels:
    """Labels of one domain: their kind, the values, and which rows have none.

    `empty` rows hold None or NaN, which can be no class; `missing` ones also -1 or "".
    """

    kind: str
    values: np.ndarray
    missing: np.ndarray
    empty: np.ndarray


def stack_labels(ys, counts, is_target, labels_of):
    """Stack the labels of domains.

    Parameters
    ----------
    ys : list of array-like or None
        Labels of each domain.
    counts : list of int
        Number of rows of each domain.
    is_target : ndarray of shape (n_domains,), bool
        Whether the domain is a target.
    labels_of : list of str
        How errors name each domain.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_outputs)
    """
    read = {
        of: _read(y, count, of)
        for y, count, of in zip(ys, counts, labels_of, strict=True)
    }
    parts = {of: part for of, part in read.items() if part is not None}
    if all(part.missing.all() for part in parts.values()):
        raise ValueError(
            "No domain has a label. Give y for at least one source domain; unlabelled "
            "rows are -1 (integers), '' (strings) or NaN (floats)."
        )
    kind = _common_kind(parts)
    outputs = _common_outputs(parts)
    whole = len(parts) == len(ys) and not any(p.missing.any() for p in parts.values())
    filled = {of: _filled(part, kind, whole) for of, part in parts.items()}
    dtype = np.result_type(*filled.values())
    stacked = [
        filled[of]
        if of in filled
        else np.full((count, *outputs), _MARKERS[kind], dtype=dtype)
        for of, count in zip(labels_of, counts, strict=True)
    ]
    if dtype.kind == "i" and not outputs:
        bare = np.concatenate(
            [
                _without_label(parts.get(of), count)
                for of, count in zip(labels_of, counts, strict=True)
            ]
        )
        _check_minus_one(np.concatenate(stacked), bare, np.repeat(is_target, counts))
    return np.concatenate(stacked)


def _read(y, count, of):
    """Return the labels of one domain; None if it has none at all."""
    if y is None:
        return None
    # A list of strings and NaN would become an array with the string "nan".
    values = (
        np.array(y, dtype=object) if isinstance(y, list | tuple) else label_array(y)
    )
    if values.ndim not in (1, 2) or len(values) != count:
        raise ValueError(
            f"y of {of} must have one row for each of the {count} rows of X, got shape "
            f"{values.shape}."
        )
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.ravel()
    empty = is_unlabeled(values, regression=True)
    if empty.all():
        return None
    kind = _kind(values[~empty], of)
    missing = empty if kind == "floats" else is_unlabeled(values)
    return _Labels(kind, values, missing, empty)


def _kind(known, of):
    kinds = {"b": "bools", "i": "integers", "u": "integers", "f": "floats"}
    kinds |= dict.fromkeys("UST", "strings")
    if known.dtype.kind in kinds:
        return kinds[known.dtype.kind]
    entries = known.ravel().tolist()
    for kind, types in (
        ("strings", str),
        ("bools", bool | np.bool_),
        ("integers", Integral | np.bool_),
        ("floats", Real),
    ):
        if known.dtype.kind == "O" and all(isinstance(v, types) for v in entries):
            return kind
    found = sorted({type(entry).__name__ for entry in entries})
    raise ValueError(
        f"y of {of} must hold integers, bools, strings or floats, got "
        f"{', '.join(found)}. Convert the labels to one of them."
    )


def _common_kind(parts):
    kinds = {part.kind for part in parts.values()}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds == {"integers", "bools"}:
        return "integers"
    if kinds == {"integers", "floats"}:
        _check_no_marks_among_integers(parts)
        return "floats"
    named = "; ".join(f"{of}: {part.kind}" for of, part in parts.items())
    raise ValueError(
        f"Labels must be of one type in all domains, got {named}. Convert them; a "
        "domain without labels is (X, None)."
    )


def _check_no_marks_among_integers(parts):
    for of, part in parts.items():
        if part.kind == "integers" and np.any(part.missing & ~part.empty):
            raise ValueError(
                f"y of {of} holds integers with -1 among them, and another domain "
                "holds floats, where -1 is a value. Convert all to floats with NaN for "
                "unlabelled rows, or all to integers; a domain without labels is "
                "(X, None)."
            )


def _common_outputs(parts):
    (first_of, first), *others = parts.items()
    for of, part in others:
        if part.values.shape[1:] != first.values.shape[1:]:
            counts = [(*p.values.shape[1:], 1)[0] for p in (first, part)]
            raise ValueError(
                f"y of {first_of} has {counts[0]} columns, y of {of} has {counts[1]}. "
                "All domains need the same outputs."
            )
    return first.values.shape[1:]


def _filled(part, kind, whole):
    """Return the values with the marker of `kind` in rows without a label."""
    known = part.values[~part.missing]
    if kind == "floats":
        dtype = known.dtype if known.dtype.kind == "f" else np.float64
    elif kind == "strings":
        dtype = np.array(known.tolist() or [""]).dtype
    elif kind == "bools" and whole:
        dtype = np.bool_
    else:
        dtype = np.int64
    values = np.full(part.values.shape, _MARKERS[kind], dtype=dtype)
    values[~part.missing] = known
    return values


def _without_label(part, count):
    """Rows that are unlabelled beyond doubt, whatever -1 means among others."""
    if part is None or part.missing.all():
        return np.ones(count, dtype=bool)
    return part.empty


def _check_minus_one(y, bare, is_target):
    """Refuse -1 as one of two classes where some row is unlabelled.

    By the rule of `_domains`, -1 beside one other label is a class once a source row
    holds it; unlabelled rows would silently become members of that class.
    """
    classes = np.unique(y)
    if len(classes) == 2 and np.any((y == -1) & ~is_target) and bare.any():
        raise ValueError(
            f"Labels are -1 and {classes[1]}: -1 could be a class or mean "
            "'unlabelled', and some rows are unlabelled. Rename the classes (0 and 1, "
            "say); if -1 does mean 'unlabelled', there is but one class to learn."
        )
