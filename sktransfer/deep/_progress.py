"""Progress over batches, where it is asked for."""

from importlib.util import find_spec

__all__ = ["shown"]


def shown(steps, description, *, verbose):
    """Return the steps, and show how many of them are done.

    Parameters
    ----------
    steps : sequence
        What is gone through.
    description : str
        What is done.
    verbose : int
        0: nothing is shown; else a bar of rich or, where that is not installed, a line.

    Returns
    -------
    iterable
    """
    if not verbose:
        return steps
    if find_spec("rich") is None:
        return _in_lines(steps, description)
    from rich.progress import track

    return track(steps, description=description)


def _in_lines(steps, description):
    for number, step in enumerate(steps):
        if number % max(1, len(steps) // 10) == 0:
            print(f"{description}: {number} of {len(steps)} batches", flush=True)
        yield step
