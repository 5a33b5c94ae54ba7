"""Texts as rows of token ids of one width."""

import numpy as np

__all__ = ["token_ids"]

BATCH = 1024  # texts; their ids are Python lists for a while


def token_ids(tokenizer, texts, max_length, pad_id):
    """Return ids of tokens, and how many tokens each text has.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The tokenizer; its special tokens are added.
    texts : list of str
        One for each row.
    max_length : int
        Width of the result; longer texts are cut by the tokenizer, which keeps its
        special tokens.
    pad_id : int
        What stands after the end of a text.

    Returns
    -------
    ids : ndarray of shape (n_texts, max_length)
        int64.
    n_tokens : ndarray of shape (n_texts,)
        Numbers of tokens before cutting, special ones included.
    """
    ids = np.full((len(texts), max_length), pad_id, dtype=np.int64)
    n_tokens = np.zeros(len(texts), dtype=np.int64)
    for start in range(0, len(texts), BATCH):
        rows = np.arange(start, min(start + BATCH, len(texts)))
        found = _encoded(tokenizer, [texts[row] for row in rows])
        n_tokens[rows] = [len(tokens) for tokens in found]
        long = np.flatnonzero(n_tokens[rows] > max_length)
        if len(long):
            cut = _encoded(
                tokenizer, [texts[row] for row in rows[long]], max_length=max_length
            )
            for place, tokens in zip(long, cut, strict=True):
                found[place] = tokens
        for row, tokens in zip(rows, found, strict=True):
            ids[row, : len(tokens)] = tokens
    return ids, n_tokens


def _encoded(tokenizer, texts, max_length=None):
    cutting = {} if max_length is None else {"max_length": max_length}
    encoded = tokenizer(
        texts,
        padding=False,
        truncation=max_length is not None,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
        **cutting,
    )
    return encoded["input_ids"]
