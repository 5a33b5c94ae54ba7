"""Names that a user may have meant."""

from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(name, names):
    """Return a sentence that lists the nearest names, or nothing.

    Parameters
    ----------
    name : str
        What was asked for.
    names : iterable of str
        What there is.

    Returns
    -------
    str
        Begins with a space, unless it is empty.
    """
    near = get_close_matches(name, list(names), n=3)
    if not near:
        return ""
    *first, last = (repr(each) for each in near)
    listed = f"{', '.join(first)} or {last}" if first else last
    return f" Did you mean {listed}?"
