"""The latest examples of each class."""

import torch

__all__ = ["ClassQueue"]


class ClassQueue:
    """Keeps the latest examples of each class, the oldest giving way.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    size : int
        Examples of a class at most.

    Attributes
    ----------
    filled : torch.Tensor of bool, shape (n_classes, size)
        Which places hold an example; None before the first.
    kept : tuple of torch.Tensor of shape (n_classes, size, d)
        The examples, as many tensors as `push` gets.
    """

    def __init__(self, n_classes, size):
        self.n_classes, self.size = n_classes, size
        self.next = [0] * n_classes
        self.filled = self.kept = None

    def push(self, y, *examples):
        """Add the examples of a batch.

        Parameters
        ----------
        y : torch.Tensor of shape (n,)
            Codes of their classes.
        *examples : torch.Tensor of shape (n, d)
            What is kept of them.
        """
        self._prepare(examples)
        for code in y.unique().tolist():
            members = (y == code).nonzero()[:, 0][-self.size :]
            places = (self.next[code] + torch.arange(len(members))) % self.size
            places = places.to(y.device)
            for kept, new in zip(self.kept, examples, strict=True):
                kept[code, places] = new[members]
            self.filled[code, places] = True
            self.next[code] = (self.next[code] + len(members)) % self.size

    def _prepare(self, examples):
        if self.kept is None:
            shape = self.n_classes, self.size
            self.kept = tuple(e.new_zeros(*shape, e.shape[1]) for e in examples)
            self.filled = torch.zeros(
                shape, dtype=torch.bool, device=examples[0].device
            )
