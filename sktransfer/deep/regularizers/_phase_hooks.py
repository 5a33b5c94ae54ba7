"""Hooks on layers that last for one phase."""

__all__ = ["PhaseHooks"]


class PhaseHooks:
    """Hooks of a network; what they do ends with `remove`, in copies of it, too.

    A copy of the network that is made in the phase keeps its hooks, and nobody takes
    those off.

    Attributes
    ----------
    are_on : bool
        Whether the phase goes on.
    handles : list
        What torch returned for each hook.
    """

    def __init__(self):
        self.are_on, self.handles = True, []

    def remove(self):
        """End what the hooks do and take them off; a second call does nothing."""
        self.are_on = False
        while self.handles:
            self.handles.pop().remove()

    def __deepcopy__(self, memo):
        """Let copies of the network share the hooks."""
        return self

    def __getstate__(self):
        """Leave nothing of the phase in what is pickled."""
        return {"are_on": False, "handles": []}
