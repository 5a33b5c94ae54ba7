"""Names of the Hugging Face hub, and what may follow them."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["HubName", "parse_hub_name"]

_POOLINGS = ("mean", "cls", "pooler")
_PARTS = ("text", "vision", "audio")
_NUMBERS = {"max_length": int, "max_seconds": float}


@dataclass(frozen=True)
class HubName:
    """A model of the hub or a folder, and how it is used.

    Parameters
    ----------
    where : str
        Name on the hub, or path of a folder.
    is_folder : bool
        Whether it is a folder, which is read without network.
    pooling : {"mean", "cls", "pooler"} or None
        None: what suits the model.
    part : {"text", "vision", "audio"} or None
        Which part of a model that has several.
    max_length : int or None
        Tokens of a row.
    max_seconds : float or None
        Length of a row of samples.
    """

    where: str
    is_folder: bool
    pooling: str | None = None
    part: str | None = None
    max_length: int | None = None
    max_seconds: float | None = None


def parse_hub_name(name):
    """Take apart "name#cls,max_length=64".

    Parameters
    ----------
    name : str
        Name or path; after ``#`` the pooling, the part and lengths, in any order.

    Returns
    -------
    HubName
    """
    if Path(name).is_dir():  # a folder may have # in its name
        return HubName(name, True)
    where, _, rest = name.partition("#")
    found = {}
    for option in filter(None, rest.split(",")):
        key, _, value = option.partition("=")
        if option in _POOLINGS:
            found["pooling"] = option
        elif option in _PARTS:
            found["part"] = option
        elif key in _NUMBERS and _is_positive(value, _NUMBERS[key]):
            found[key] = _NUMBERS[key](value)
        else:
            raise ValueError(
                f"hf:{name}: after # there may be {', '.join(_POOLINGS)} (how tokens "
                f"are pooled), {', '.join(_PARTS)} (which part of a model), "
                f"max_length=128 or max_seconds=10, got {option!r}."
            )
    is_folder = Path(where).expanduser().is_dir()
    if where.startswith(("/", "./", "../", "~")) and not is_folder:
        raise FileNotFoundError(f"There is no folder {where}.")
    where = str(Path(where).expanduser()) if is_folder else where
    return HubName(where, is_folder, **found)


def _is_positive(value, number):
    try:
        return 0 < number(value) < float("inf")
    except ValueError:
        return False
