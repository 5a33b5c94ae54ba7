"""Shapes of tensors, and how they follow the number of rows."""

from dataclasses import dataclass

import torch

from sktransfer.deep.frozen._missing import Missing

__all__ = ["RowShape", "Shape", "row_shape"]


@dataclass(frozen=True)
class Shape:
    """Shape and type of a tensor.

    Attributes
    ----------
    sizes : tuple of int or None
        The shape; None if it is not known.
    dtype : torch.dtype
        The type.
    """

    sizes: tuple | None
    dtype: torch.dtype

    @classmethod
    def of_tensor(cls, leaf):
        """Return the shape of a tensor; what is none stays as it is."""
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return cls(tuple(leaf.shape), leaf.dtype)


@dataclass(frozen=True)
class RowShape:
    """The shape of a tensor for any number of rows.

    Attributes
    ----------
    sizes : tuple of int or None
        Its sizes for one row; None for an axis as long as the rows are.
    grows : frozenset of int
        Axes whose sizes are multiplied with the number of rows.
    axis : int or None
        The axis of which each place is a row; None if there is none, or several.
    dtype : torch.dtype
        Its type.
    """

    sizes: tuple
    grows: frozenset
    axis: int | None
    dtype: torch.dtype

    @property
    def has_lengths(self):
        """Whether it depends on more than the number of rows."""
        return None in self.sizes

    def fits(self, leaf, n_rows):
        """Whether a tensor has this shape; one of unknown shape may have it."""
        if isinstance(leaf, Missing) and not leaf.is_known:
            return True
        return (
            isinstance(leaf, torch.Tensor)
            and leaf.ndim == len(self.sizes)
            and all(
                size in (None, now)
                for now, size in zip(leaf.shape, self._sizes(n_rows), strict=True)
            )
        )

    def of_rows(self, n_rows):
        """Return the shape for a number of rows."""
        sizes = None if self.has_lengths else self._sizes(n_rows)
        return Shape(sizes, self.dtype)

    def _sizes(self, n_rows):
        return tuple(
            n_rows * size if axis in self.grows and size is not None else size
            for axis, size in enumerate(self.sizes)
        )


def row_shape(one, many, n_rows, twice=None):
    """Tell from shapes on trial how a tensor follows the number of rows.

    Parameters
    ----------
    one : Shape
        Of a batch of a single row.
    many : Shape
        Of a batch of that row and others.
    n_rows : int
        Rows of that batch.
    twice : Shape, default=None
        Of a batch of the single row, two times. Without it, sizes that are multiplied
        by the number of rows are taken to grow with it.

    Returns
    -------
    RowShape or None
        None if they have nothing in common.
    """
    shapes = [shape for shape in (one, many, twice) if shape is not None]
    if len({(len(s.sizes), s.dtype) for s in shapes}) > 1:
        return None
    sizes, grows, axes = [], set(), []
    for axis, (alone, all_) in enumerate(zip(one.sizes, many.sizes, strict=True)):
        if twice is None:
            is_fixed, is_multiple = all_ == alone, all_ == n_rows * alone
        else:
            is_fixed = twice.sizes[axis] == alone
            is_multiple = twice.sizes[axis] == 2 * alone
        if not is_fixed and not is_multiple and twice is not None:
            return None
        if is_multiple and not is_fixed:
            grows.add(axis)
        expected = n_rows * alone if axis in grows else alone
        sizes.append(alone if all_ == expected else None)
        if axis in grows and alone == 1 and all_ == n_rows:
            axes.append(axis)
    only = axes[0] if len(axes) == 1 else None
    return RowShape(tuple(sizes), frozenset(grows), only, one.dtype)
