"""Factors that give the target a share of the loss."""

__all__ = ["factors_of_share"]


def factors_of_share(n_source, n_target, target_share):
    """Return the weights of a source row and of a target row.

    Parameters
    ----------
    n_source, n_target : int
        Numbers of labelled rows, at least one each.
    target_share : float
        Share of the total weight that the target rows have together, 0 to 1.

    Returns
    -------
    source, target : float
        The larger of them is one.
    """
    source, target = (1 - target_share) / n_source, target_share / n_target
    largest = max(source, target)
    return source / largest, target / largest
