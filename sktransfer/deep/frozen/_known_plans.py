"""Plans of networks that were cut before, for others that are the same."""

from collections import OrderedDict
from threading import Lock

from sktransfer.deep.frozen._fingerprint import fingerprint

__all__ = ["KnownPlans", "count_lengths", "known_plans"]

_MOST = 64


class KnownPlans:
    """The plans used last, by what they rest on: fits of a search share a trial.

    Parameters
    ----------
    most : int
        Most plans kept; they hold shapes and names, and no weights.
    """

    def __init__(self, most=_MOST):
        self.most = most
        self._plans, self._lock = OrderedDict(), Lock()

    def find(self, key, make):
        """Return the plan of a key, made if it is not known.

        Parameters
        ----------
        key : str
            As `key_of` makes it.
        make : callable
            Makes a plan, or None for a network that is not to be cut.

        Returns
        -------
        object
        """
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
                return self._plans[key]
        found = make()
        with self._lock:
            self._plans[key] = found
            while len(self._plans) > self.most:
                self._plans.popitem(last=False)
        return found

    def clear(self):
        """Forget all plans."""
        with self._lock:
            self._plans.clear()

    @staticmethod
    def key_of(network, sample, n_lengths):
        """Return a digest of all that a plan rests on.

        Parameters
        ----------
        network : Network
            Weights and code of its backbone, what learns in it, and its mode.
        sample : torch.Tensor
            Rows; their shape and type, and where they are.
        n_lengths : int
            How many lengths there were on trial.

        Returns
        -------
        str
        """
        frozen = {id(part) for part in network.frozen}
        return fingerprint(
            network.backbone,
            [p.requires_grad for p in network.backbone.parameters()],
            [n for n, p in network.backbone.named_modules() if id(p) in frozen],
            network.training,
            (tuple(sample.shape[1:]), sample.dtype, sample.device.type, n_lengths),
        )


known_plans = KnownPlans()


def count_lengths(rows):
    """Count the lengths of rows: more of them may show what fewer do not."""
    if rows.ndim > 3:  # images
        return 1
    return len((rows != 0).flatten(1).sum(dim=1).unique())
