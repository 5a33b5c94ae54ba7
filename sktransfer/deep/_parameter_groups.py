"""Learning rates by the distance of a block from the head."""

from sktransfer.deep._network import blocks_of

__all__ = ["parameter_groups"]


def parameter_groups(network, others, *, lr, backbone_lr=None, layer_decay=1.0):
    """Return parameter groups for an optimizer, the head's first.

    The last block of the backbone learns at the backbone's rate, each block before it
    at `layer_decay` times the rate of the next one. What is in no block (an embedding
    of its own, say) learns at the rate of the first block.

    Parameters
    ----------
    network : Network
        Backbone and head.
    others : iterable of nn.Parameter
        All that learn; those of neither backbone nor head learn at the head's rate.
    lr : float
        Rate of the head.
    backbone_lr : float or None
        Rate of the last block; None: `lr`.
    layer_decay : float
        Factor from a block to the one before it.

    Returns
    -------
    list of dict
        With "params" and "lr"; no group is empty, no parameter in two.
    """
    rate = lr if backbone_lr is None else backbone_lr
    in_backbone = {id(p): p for p in network.backbone.parameters()}
    head = [p for p in others if id(p) not in in_backbone]
    groups = [{"params": head, "lr": lr}] if head else []
    if layer_decay == 1.0:
        rest = [p for p in others if id(p) in in_backbone]
        return groups + ([{"params": rest, "lr": rate}] if rest else [])
    taken = set()
    for distance, block in enumerate(reversed(blocks_of(network.backbone))):
        params = [p for p in block.parameters() if id(p) not in taken]
        taken |= {id(p) for p in params}
        if params:
            groups.append({"params": params, "lr": rate * layer_decay**distance})
    rest = [p for p in in_backbone.values() if id(p) not in taken]
    if rest:
        groups.append({"params": rest, "lr": groups[-1]["lr"]})
    return groups
