"""Texts, one for each row."""

import numpy as np

from sktransfer.deep.preprocessing._listed_rows import check_listed, describe

__all__ = ["checked_texts"]

LEAVE_OUT = "Leave such rows out, or put a word in their place"


def checked_texts(X):
    """Return the texts of X as a list; name the first row that is none."""
    X = check_listed(X, "a text")
    shape = getattr(X, "shape", (len(X),))
    if len(shape) != 1:
        raise ValueError(
            f"X must have one axis, a text for each row, got shape {tuple(shape)}. "
            "Pass one of its columns, X[:, 0] for example."
        )
    texts = list(X)
    for row, text in enumerate(texts):
        problem = _problem(text)
        if problem:
            raise ValueError(f"X must have a text in each row, but row {row} {problem}")
    return texts


def _problem(text):
    """Say what keeps a text from being one, and the way out; None if nothing does."""
    if isinstance(text, bytes):
        return "is bytes. Decode them: text.decode()."
    if not isinstance(text, str):
        missing = text is None or type(text).__name__ in ("NAType", "NaTType")
        missing = missing or (isinstance(text, float) and np.isnan(text))
        way_out = (
            f"{LEAVE_OUT}, X.fillna('missing') for a Series."
            if missing
            else "Make it a text with str(), or leave it out."
        )
        return f"is {describe(text)}. {way_out}"
    if not text.strip():
        return f"is empty: {text!r}. {LEAVE_OUT}."
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"is no valid Unicode: {error}. Decode it with errors='replace'."
    return None
