"""Put the domains that a user has apart into one X, y and sample_domain."""

from collections.abc import Mapping

import numpy as np

from sktransfer._stack_labels import stack_labels
from sktransfer._stack_rows import n_rows, stack_rows

__all__ = ["stack_domains"]


def stack_domains(source, target, *, return_names=False):
    """Stack source and target domains into one X, y and sample_domain.

    Source rows come first, each domain's rows stay together and in their order. What
    comes back goes into `fit` of any estimator of sktransfer, or into a search.

    No shift is assumed and no label is looked at beyond its type and its marks. All
    rows are copied once, O(n_samples * n_features).

    Parameters
    ----------
    source, target : tuple, list of tuple or dict
        A pair ``(X, y)``, a list of pairs, or a dict of name to pair.

        X is an array-like of rows (with two or more dimensions), a list of sentences,
        a pandas or polars DataFrame, or a sparse matrix; the same kind in all domains.
        DataFrames need the same columns, in any order.

        y holds integers, bools, strings or floats, in one column or several, or is None
        if the domain has no labels. Single rows without a label are marked by -1, ""
        or NaN (None, NA) in y.
    return_names : bool, default=False
        Whether to return the names of the domains as well.

    Returns
    -------
    X : ndarray, DataFrame or csr matrix or array of shape (n_samples, ...)
        All rows. DataFrames have the columns of the first source, in its order, and a
        new index; sentences are a vector of dtype object.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        All labels. Unlabelled rows are -1 (integer labels, and bools, which become 0
        and 1 then), "" (strings) or NaN (floats). A single column becomes a vector.
    sample_domain : ndarray of shape (n_samples,), int64
        The sources are 1 to S, the targets -(S+1) to -(S+T).
    names : dict of int to str
        The name of each domain in `sample_domain`; only if `return_names`. Without
        given names they are "source_1", "target_1" and so on.

    Raises
    ------
    ValueError
        If kinds of X, columns or types of label differ between domains, no domain has
        a label, or -1 could be a class as well as the mark of an unlabelled row.

    See Also
    --------
    TransferClassifier : Takes the three as they come back.
    sktransfer.model_selection.TargetKFold : Folds for tuning on target rows.

    Notes
    -----
    In integer labels -1 marks an unlabelled row. Classes {-1, c} are recognised and
    refused where some domain is unlabelled; three or more classes with -1 among them
    cannot be told from marked rows, so rename that class first. The values of a
    regression must be floats, so that NaN can mark.

    Examples
    --------
    >>> from sktransfer import stack_domains
    >>> X, y, sample_domain = stack_domains(
    ...     ([[0.0], [1.0]], ["cat", "dog"]), ([[5.0]], None)
    ... )
    >>> y
    array(['cat', 'dog', ''], dtype='<U3')
    >>> sample_domain
    array([ 1,  1, -2])

    Several domains, with names:

    >>> *_, sample_domain, names = stack_domains(
    ...     {"amazon": ([[0.0]], [3]), "dslr": ([[1.0]], [4])},
    ...     {"webcam": ([[5.0], [6.0]], None)},
    ...     return_names=True,
    ... )
    >>> sample_domain
    array([ 1,  2, -3, -3])
    >>> names
    {1: 'amazon', 2: 'dslr', -3: 'webcam'}
    """
    sources = _named_pairs("source", source)
    targets = _named_pairs("target", target)
    pairs = [*sources.values(), *targets.values()]
    labels_of = [f"source domain {name!r}" for name in sources]
    labels_of += [f"target domain {name!r}" for name in targets]
    X = stack_rows([X for X, _ in pairs], labels_of)
    counts = [n_rows(X) for X, _ in pairs]
    is_target = np.arange(len(pairs)) >= len(sources)
    y = stack_labels([y for _, y in pairs], counts, is_target, labels_of)
    ids = np.arange(1, len(pairs) + 1) * np.where(is_target, -1, 1)
    sample_domain = np.repeat(ids, counts)
    if not return_names:
        return X, y, sample_domain
    return (
        X,
        y,
        sample_domain,
        dict(zip(ids.tolist(), [*sources, *targets], strict=True)),
    )


def _named_pairs(argument, domains):
    """Return a dict of name to pair, whichever of the three forms was given."""
    if not isinstance(domains, tuple | list | Mapping) or not len(domains):
        empty = "an empty " if isinstance(domains, tuple | list | Mapping) else ""
        raise ValueError(
            f"`{argument}` must be a pair (X, y), a list of pairs or a dict of name to "
            f"pair, got {empty}{type(domains).__name__}. A domain without labels is "
            "(X, None)."
        )
    if isinstance(domains, tuple):
        domains = [domains]
    if isinstance(domains, list):
        domains = {f"{argument}_{i + 1}": pair for i, pair in enumerate(domains)}
    for name, pair in domains.items():
        if not (isinstance(pair, tuple) and len(pair) == 2):
            of = f" of length {len(pair)}" if isinstance(pair, tuple) else ""
            raise ValueError(
                f"{argument} domain {name!r} must be a tuple (X, y), got "
                f"{type(pair).__name__}{of}. A domain without labels is (X, None)."
            )
        if isinstance(pair[0], tuple):
            raise ValueError(
                f"X of {argument} domain {name!r} is a tuple. Give several domains "
                "as a list of pairs, [(X_1, y_1), (X_2, y_2)], and rows as a list or "
                "an array."
            )
    return dict(domains)
