"""Modules that say what tells them apart."""

__all__ = ["HasIdentity"]


class HasIdentity:
    """A module of which not every attribute decides its outputs.

    Its `identity` stands for all of them; weights and parts come besides.
    """
