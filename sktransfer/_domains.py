"""Which rows are source, which are target, and which carry a label.

Every `fit` of sktransfer begins here, and after it there are only explicit source and
target arrays. The rules, written down once:

- `sample_domain`: positive integers (or "source") are source domains, negative ones (or
  "target") target domains, 0 is an error. Without it, unlabelled rows are the target
  and labelled rows the source.
- Unlabelled rows are -1 in integer labels, "" in string labels, NaN (None, NA) in float
  or object labels. `unlabeled` sets another marker; `unlabeled=None` says that every
  row is labelled.
- Labels {-1, c}: when dropping -1 would leave a single class, -1 is a class, unless
  `sample_domain` says that only target rows hold it.
- All target rows sharing one label that no source row has means that something around
  the estimator re-encoded the labels, marker and all: that is an error. So is, in
  regression, the integer -1 in all target rows and no source row.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

__all__ = [
    "Domains",
    "domain_mask",
    "encode_labels",
    "is_unlabeled",
    "label_array",
    "resolve_domains",
    "target_is_one_new_class",
]

_NO_LABEL = "unlabelled rows are -1 (integers), '' (strings) or NaN (floats)"


@dataclass(frozen=True)
class Domains:
    """Where each row is from, and whether it has a label.

    Attributes
    ----------
    domain : ndarray of shape (n_samples,), int64
        Positive for source domains, negative for target domains.
    labeled : ndarray of shape (n_samples,), bool
        Whether the row has a label.
    """

    domain: np.ndarray
    labeled: np.ndarray

    @property
    def is_target(self):
        """Mask of the target rows."""
        return self.domain < 0

    @property
    def has_target(self):
        """Whether there is any target row."""
        return bool(np.any(self.domain < 0))

    def split(self, X, y=None):
        """Return `X_source, y_source, X_target, y_target`.

        Labels come out as `encode_labels` writes them: class numbers with -1 where
        there is no label, or floats with NaN. Without any label they are None.
        """
        target = self.is_target
        codes = encode_labels(y, self.labeled)
        if codes is None:
            return X[~target], None, X[target], None
        return X[~target], codes[~target], X[target], codes[target]


def label_array(y):
    """Return labels as an array; missing ones stay missing, integers stay integers.

    `numpy.asarray` makes floats of the nullable integers of pandas and polars, and
    floats would be taken for values rather than classes. Of the list ["a", nan] it
    makes strings, "nan" among them.
    """
    array = np.asarray(y)
    if array.dtype.kind == "U" and isinstance(y, list | tuple):
        entries = np.array(y, dtype=object)
        if any(_object_is_missing(value) for value in entries.ravel()):
            return entries
    nullable = hasattr(y, "to_list") and not isinstance(y.dtype, np.dtype)
    if array.dtype.kind == "f" and nullable:
        values = y.to_list()
        known = [value for value in values if not _object_is_missing(value)]
        if known and all(isinstance(value, Integral) for value in known):
            return np.array(values, dtype=object)
    return array


def _object_is_missing(value):
    # `pd.NA != pd.NA` has no truth value, so it is known by the name of its type.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and value != value


def _object_is_unlabeled(value, unlabeled):
    if _object_is_missing(value):
        return True
    if isinstance(unlabeled, Integral) and unlabeled == -1:
        is_number = isinstance(value, Integral) and not isinstance(value, bool)
        return value == "" if isinstance(value, str) else is_number and value == -1
    for kind in (str, Integral):
        if isinstance(value, kind) and isinstance(unlabeled, kind):
            return not isinstance(value, bool) and value == unlabeled
    return False


def is_unlabeled(y, unlabeled=-1, *, regression=False):
    """Mask of the rows of `y` that carry no label.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels.
    unlabeled : int, str or None, default=-1
        The marker; -1 stands for the default of each type of label.
    regression : bool, default=False
        Only NaN marks an unlabelled row: -1 is an ordinary value.

    Returns
    -------
    ndarray of shape (n_samples,), bool
    """
    y = label_array(y)
    if unlabeled is None:
        return np.zeros(len(y), dtype=bool)
    default = isinstance(unlabeled, Integral) and unlabeled == -1
    kind = y.dtype.kind
    if kind == "f":
        marked = np.isnan(y)
        if not default and not isinstance(unlabeled, str):
            marked |= y == unlabeled
    elif kind == "O":
        marked = np.array(
            [
                _object_is_missing(v)
                if regression
                else _object_is_unlabeled(v, unlabeled)
                for v in y.ravel()
            ],
            dtype=bool,
        ).reshape(y.shape)
    elif regression:
        marked = np.zeros(y.shape, dtype=bool)
    elif kind in "iu":
        usable = isinstance(unlabeled, Integral)
        marked = y == unlabeled if usable else np.zeros(y.shape, dtype=bool)
    elif kind in "UST":
        marker = "" if default else unlabeled
        marker = marker.encode() if kind == "S" and isinstance(marker, str) else marker
        usable = isinstance(marker, str | bytes)
        marked = y == marker if usable else np.zeros(y.shape, dtype=bool)
    else:
        marked = np.zeros(y.shape, dtype=bool)
    if marked.ndim == 1:
        return marked
    rows = marked.reshape(len(y), -1)
    whole = rows.all(axis=1)
    if np.any(rows.any(axis=1) & ~whole):
        raise ValueError(
            "y has rows in which only some outputs are marked as unlabelled. Mark all "
            "outputs of an unlabelled row, or none."
        )
    return whole


def domain_mask(sample_domain, n_samples):
    """Check `sample_domain` and return it as integers, > 0 source and < 0 target."""
    domain = np.asarray(sample_domain)
    if domain.ndim == 2 and domain.shape[1] == 1:
        domain = domain.ravel()
    if domain.ndim != 1 or len(domain) != n_samples:
        raise ValueError(
            f"sample_domain must have one entry for each of the {n_samples} rows of X, "
            f"got shape {domain.shape}. Inside a Pipeline or a search, pass it with as "
            "many entries as X has rows: a vector of another length is handed on whole."
        )
    if domain.dtype.kind == "O" and all(isinstance(v, str) for v in domain):
        domain = domain.astype(str)
    if domain.dtype.kind == "U":
        known = np.isin(domain, ["source", "target"])
        if not known.all():
            raise ValueError(
                "sample_domain strings must be 'source' or 'target', got "
                f"{str(domain[~known][0])!r}. Number several domains instead: 1, 2, … "
                "for sources and -1, -2, … for targets (`stack_domains` does it)."
            )
        return np.where(domain == "source", 1, -1)
    numbers = _whole_numbers(domain)
    if numbers is None:
        raise ValueError(
            "sample_domain must hold integers (positive for source, negative for "
            "target) or the strings 'source' and 'target', got dtype "
            f"{domain.dtype}."
        )
    if np.any(numbers == 0):
        raise ValueError(
            "sample_domain holds 0, which is neither source nor target. Use positive "
            "integers for source domains and negative integers for target domains."
        )
    return numbers


def _whole_numbers(domain):
    """Return the entries as int64, or None where that would change one of them."""
    if domain.dtype.kind not in "iufO":
        return None
    try:
        # A cast alone would flip the sign of what does not fit.
        with np.errstate(invalid="ignore"):
            numbers = domain.astype(np.int64)
        same = bool(np.all(numbers == domain))
        if domain.dtype.kind == "O":
            same = same and not any(isinstance(v, bool) for v in domain.tolist())
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if same else None


def _check_both_domains(domain):
    for name, sign, other in (("target", -1, "source"), ("source", 1, "target")):
        if not np.any(np.sign(domain) == sign):
            raise ValueError(
                f"sample_domain names {other} rows only; fit needs at least one {name} "
                f"row. Add {name} rows ({'negative' if sign < 0 else 'positive'} "
                "integers), or leave sample_domain out: then unlabelled rows are the "
                "target."
            )


def _minus_one_is_class(y, labeled, domain):
    """Whether -1 is one of two classes rather than the marker of no label."""
    if y.ndim != 1 or y.dtype.kind not in "iO" or labeled.all():
        return False
    if len(set(y[labeled].tolist())) != 1:
        return False
    if any(isinstance(value, str) for value in y.tolist()):
        return False
    if domain is None:
        return True
    if labeled[domain > 0].all():
        return False
    if not labeled[domain < 0].any():
        raise ValueError(
            "Labels are -1 and one other value, and every target row holds -1: it "
            "could be a class or mean 'unlabelled'. Rename the classes (0 and 1, say), "
            "or set `unlabeled` to another marker; `unlabeled=None` says that every "
            "row is labelled."
        )
    return True


def target_is_one_new_class(y, labeled, domain):
    """Whether all target rows have one and the same label, which no source row has."""
    target = domain < 0
    if y.ndim != 1 or not labeled[target].all() or target.sum() < 2:
        return False
    first = y[target].tolist()[0]
    # Labelled rows only: NA has no truth value.
    known_source = y[~target & labeled]
    return bool(np.all(y[target] == first) and not np.any(known_source == first))


def _check_not_reencoded(y, labeled, domain):
    """Refuse a target whose rows all share one label that no source row has."""
    if y.dtype.kind != "f" and target_is_one_new_class(y, labeled, domain):
        target = domain < 0
        raise ValueError(
            f"All {int(target.sum())} target rows have the label "
            f"{y[target].tolist()[0]!r}, which no source row has. An outer ensemble "
            "(Voting, Bagging, Stacking, OneVsRest, …) probably re-encoded the marker "
            "of unlabelled rows as a class. Put the ensemble inside: "
            "TransferClassifier(VotingClassifier(...), ...). If the target really "
            "has this single class, set unlabeled=None where there is that parameter, "
            "or pass the labels as floats, NaN for unlabelled rows."
        )


def _check_not_marked_by_integers(y, domain):
    """Refuse regression on a target of which every row holds the integer -1."""
    target = domain < 0
    if y.ndim > 1 or y.dtype.kind != "i" or target.sum() < 2:
        return
    if np.all(y[target] == -1) and not np.any(y[~target] == -1):
        raise ValueError(
            f"All {int(target.sum())} target rows hold -1, which no source row does. "
            "In regression -1 is a value: convert y to floats and mark unlabelled rows "
            "by NaN. As floats they may be -1 everywhere, too."
        )


def resolve_domains(y, sample_domain, n_samples, *, unlabeled=-1, regression=False):
    """Say for each row where it is from and whether it has a label.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
        Labels, some of them perhaps marked as unlabelled.
    sample_domain : array-like of shape (n_samples,) or None
        Where each row is from; None: unlabelled rows are the target.
    n_samples : int
        Number of rows of X.
    unlabeled : int, str or None, default=-1
        Marker of unlabelled rows.
    regression : bool, default=False
        Only NaN marks an unlabelled row.

    Returns
    -------
    Domains
    """
    domain = None
    if sample_domain is not None:
        domain = domain_mask(sample_domain, n_samples)
        _check_both_domains(domain)
    if y is None:
        labeled = np.zeros(n_samples, dtype=bool)
        return Domains(
            np.ones(n_samples, np.int64) if domain is None else domain, labeled
        )
    y = label_array(y)
    if y.ndim == 0 or len(y) != n_samples:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"X has {n_samples} rows, y has shape {y.shape}."
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    labeled = ~is_unlabeled(y, unlabeled, regression=regression)
    marker_is_default = isinstance(unlabeled, Integral) and unlabeled == -1
    if not regression and marker_is_default and _minus_one_is_class(y, labeled, domain):
        labeled = ~is_unlabeled(y, regression=True)
    if domain is None:
        domain = np.where(labeled, 1, -1)
        if n_samples and not labeled.any():
            raise ValueError(
                f"y has no labelled row: all {n_samples} rows are marked as unlabelled "
                f"({_NO_LABEL}). At least one labelled source row is needed."
            )
    elif regression and marker_is_default:
        _check_not_marked_by_integers(y, domain)
    elif not regression and unlabeled is not None:
        _check_not_reencoded(y, labeled, domain)
    return Domains(domain.astype(np.int64), labeled)


def encode_labels(y, labeled):
    """Return labels as class numbers (-1: none) or, for regression, floats (NaN: none).

    Floats that are all whole numbers are classes; other floats, and labels with several
    columns, are regression values. Methods that read labels see only this form, so
    that renaming the classes cannot change their result.
    """
    if y is None:
        return None
    y = label_array(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    known = y[labeled]
    if y.dtype.kind == "O" and len(known):
        # Numbers sort as numbers, and floats show that they are floats.
        known = np.array(known.tolist())
    if y.ndim > 1:
        values = np.full(y.shape, np.nan)
        texts = known.dtype.kind not in "biuf"
        values[labeled] = _codes_by_column(known) if texts else known
        return values
    if known.dtype.kind == "f" and np.any(known != np.round(known)):
        values = np.full(len(y), np.nan)
        values[labeled] = known
        return values
    codes = np.full(len(y), -1, dtype=np.int64)
    codes[labeled] = np.unique(known, return_inverse=True)[1]
    return codes


def _codes_by_column(known):
    columns = [np.unique(column, return_inverse=True)[1] for column in known.T]
    return np.column_stack(columns)
