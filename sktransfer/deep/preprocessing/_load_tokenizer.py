"""A tokenizer of transformers, from its name, its folder or itself."""

import copy
from os import PathLike, fspath
from pathlib import Path

from sktransfer.deep.preprocessing._listed_rows import describe

__all__ = ["load_tokenizer", "pad_id_of"]


def load_tokenizer(tokenizer):
    """Return a tokenizer of our own.

    Parameters
    ----------
    tokenizer : str, path-like or tokenizer of transformers
        Name on the Hugging Face hub, folder, or the tokenizer, which is copied.

    Returns
    -------
    PreTrainedTokenizerBase
    """
    try:
        from transformers import AutoTokenizer, PreTrainedTokenizerBase
    except ImportError as error:
        raise ImportError(
            "SentenceTokenizer needs transformers, which is not installed. Install it "
            'with `pip install "sktransfer[text]"`.'
        ) from error
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        # A call with padding or truncation changes a tokenizer.
        return copy.deepcopy(tokenizer)
    if not isinstance(tokenizer, str | PathLike):
        raise TypeError(
            "`tokenizer` must be a name on the Hugging Face hub, the path of a folder "
            f"or a tokenizer of transformers, got {describe(tokenizer)}."
        )
    name = fspath(tokenizer)
    try:
        # A folder is never looked up on the hub.
        return AutoTokenizer.from_pretrained(
            name, local_files_only=Path(name).is_dir(), trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"`tokenizer` {name!r} could not be loaded: {reason.rstrip(' .:')}. It "
            "must be a name on the Hugging Face hub (downloaded before if there is no "
            "network), the path of a folder written by `save_pretrained`, or a "
            "tokenizer of transformers."
        ) from error


def pad_id_of(tokenizer):
    """Return the id that fills rows up: that of padding, else of the end of a text."""
    for name in ("pad_token_id", "eos_token_id"):
        if getattr(tokenizer, name) is not None:
            return int(getattr(tokenizer, name))
    raise ValueError(
        f"{type(tokenizer).__name__} has neither a pad_token nor an eos_token to fill "
        "rows up with. Set one: tokenizer.pad_token = tokenizer.unk_token, for example."
    )
