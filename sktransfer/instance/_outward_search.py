"""The least of a row of losses, where each costs much and neighbours are alike."""

__all__ = ["search_outwards"]


def search_outwards(loss_of, n):
    """Go from the middle of a row downhill until the loss rises.

    Parameters
    ----------
    loss_of : callable
        Returns the loss at a number below n.
    n : int
        Length of the row.

    Returns
    -------
    best : int
        Number of the least loss met: of all, if the losses have one valley.
    losses : dict
        The losses met, by number. To the right of the middle there are none if the
        left is better.
    """
    best = n // 2
    losses = {best: loss_of(best)}
    for step in (-1, 1):
        while 0 <= best + step < n:
            losses[best + step] = loss_of(best + step)
            if losses[best + step] > losses[best]:
                break
            best += step
        if best != n // 2:
            break
    return best, losses
