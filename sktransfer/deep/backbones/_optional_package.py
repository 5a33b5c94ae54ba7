"""Packages that only some backbones need."""

from importlib import import_module

__all__ = ["import_package"]


def import_package(name, wanted_for, install):
    """Import an optional package, or say how it is installed.

    Parameters
    ----------
    name : str
        Name of the module.
    wanted_for : str
        Who needs it, as the user wrote it.
    install : str
        The argument of pip.

    Returns
    -------
    module
    """
    try:
        return import_module(name)
    except ImportError as error:
        if (error.name or "").split(".")[0] != name.split(".")[0]:
            raise  # installed, but broken: its own message says more
        raise ImportError(
            f"{wanted_for} needs {name}, which is not installed. Install it with "
            f'`pip install "{install}"`.'
        ) from error
