"""Aligners that tell every domain apart: their order, and which one a row is of."""

import numpy as np

__all__ = ["domain_positions", "ordered_domains"]


def ordered_domains(X, domain):
    """Return the numbers of the domains in an order that their names cannot change.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    domain : ndarray of shape (n_samples,)
        Domain of each row.

    Returns
    -------
    ndarray of shape (n_domains,)
        Sources first, each kind by the means of their rows.
    """
    found = np.unique(domain)
    means = [np.asarray(X[np.flatnonzero(domain == d)].mean(axis=0)) for d in found]
    keys = [
        (d < 0, *mean.ravel().tolist()) for d, mean in zip(found, means, strict=True)
    ]
    return found[sorted(range(len(found)), key=keys.__getitem__)]


def domain_positions(domain, domains, n_samples, *, name, part):
    """Return the position of each row's domain among those of fit.

    Parameters
    ----------
    domain : ndarray of shape (n_samples,) or None
        Domain of each row; None: all are of the one target domain.
    domains : ndarray of shape (n_domains,)
        The domains of fit.
    n_samples : int
        Number of rows.
    name : str
        The aligner, for the error.
    part : str
        What it has for each domain, for the error.

    Returns
    -------
    ndarray of shape (n_samples,)
        Positions.
    """
    if domain is None:
        targets = domains[domains < 0]
        if len(targets) > 1:
            raise ValueError(
                f"{name} was fitted with the target domains {sorted(targets.tolist())} "
                "and cannot tell of which the rows are. Pass sample_domain."
            )
        domain = np.full(n_samples, targets[0])
    unknown = np.setdiff1d(domain, domains)
    if len(unknown):
        raise ValueError(
            f"{name} has no {part} for the domains {unknown.tolist()}: it was fitted "
            f"with {domains.tolist()}. Fit it with rows of them, or give the number of "
            "the domain they are most like."
        )
    return (domain[:, None] == domains).argmax(axis=1)
