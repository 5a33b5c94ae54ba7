"""Gradual unfreezing: block after block begins to learn, from the head down."""

from skorch.callbacks import Callback

from sktransfer.deep._network import blocks_of

__all__ = ["Unfreezing", "open_blocks"]


def open_blocks(epoch, every, n_blocks):
    """Return how many blocks learn in an epoch (from 0): one more every few."""
    return min(epoch // every, n_blocks)


class Unfreezing(Callback):
    """Open one more block every few epochs, until all that may learn do.

    Parameters
    ----------
    trainable : "all" or int
        What learns in the end.
    every : int
        Epochs until the next block learns.
    """

    def __init__(self, trainable, every):
        self.trainable, self.every = trainable, every

    def on_train_begin(self, net, **kwargs):
        """Count epochs from the start of the phase."""
        self.epoch = 0

    def on_epoch_begin(self, net, **kwargs):
        """Freeze what does not learn yet."""
        network = net.network
        n_blocks = len(blocks_of(network.backbone))
        most = n_blocks if self.trainable == "all" else self.trainable
        n_open = open_blocks(self.epoch, self.every, most)
        done = n_open == most
        network.freeze(self.trainable if done else n_open or "head")
        self.epoch += 1
