"""What is left of a network when its training ends before the last epoch."""

import copy
from contextlib import contextmanager

__all__ = ["keeping_state"]


@contextmanager
def keeping_state(model, resumed):
    """Finish a fit; after an error or Ctrl-C leave no half-trained network behind.

    The error is raised in any case. With ``on_interrupt="keep"`` the weights so far
    stay after Ctrl-C; else, and after any other error, a network that was fitted before
    gets its weights and its history back, and a new one is taken away.

    Parameters
    ----------
    model : BaseFineTuned
        Whose `network_` is trained inside.
    resumed : bool
        Whether the network was fitted before.
    """
    before = copy.deepcopy(model.network_) if resumed else None
    history = list(model.history_) if resumed else None
    try:
        yield
    except BaseException as error:
        kept = isinstance(error, KeyboardInterrupt) and model.on_interrupt == "keep"
        if not kept and resumed:
            model.network_, model.history_ = before, history
        elif not kept:
            model.__dict__.pop("network_", None)
        if hasattr(model, "network_"):
            _finish(model)
        raise
    _finish(model)


def _finish(model):
    model.network_.eval()
    model.n_iter_ = len(model.history_)
