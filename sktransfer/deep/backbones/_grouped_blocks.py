"""Blocks of a network that come from groups of its parameters."""

from torch import nn

__all__ = ["grouped_blocks", "layer_groups"]

# What DeBERTa and MPNet list after the layers that read it.
_FOR_ALL = ("rel_embeddings.", "relative_attention_bias.", "encoder.LayerNorm.")


class _Block(nn.Module):
    """Some modules and parameters of a network; only looked at, never called."""

    def __init__(self):
        super().__init__()
        self.parts, self.own = nn.ModuleList(), nn.ParameterList()


def grouped_blocks(model, group_of):
    """Return a network's blocks, from its input to its output.

    Parameters
    ----------
    model : nn.Module
        The network.
    group_of : dict of str to int
        The group of each parameter, by name; groups are in the order of use. A group of
        which all parameters have one axis, a normalisation for example, is part of the
        block before it.

    Returns
    -------
    list of nn.Module
        Together they have all parameters; a part without parameters belongs to a block
        if it lies inside of one. A block of a single part is that part.
    """
    deep = {group_of[n] for n, p in model.named_parameters() if p.ndim > 1}
    index, number = {}, -1
    for group in sorted(set(group_of.values())):
        number += group in deep or number < 0
        index[group] = number
    blocks = [_Block() for _ in range(number + 1)]

    def walk(module, prefix):
        names = [name for name, _ in module.named_parameters(prefix.rstrip("."))]
        groups = {index[group_of[name]] for name in names}
        if len(groups) == 1:
            blocks[groups.pop()].parts.append(module)
            return
        for name, parameter in module.named_parameters(recurse=False):
            blocks[index[group_of[prefix + name]]].own.append(parameter)
        for name, child in module.named_children():
            walk(child, f"{prefix}{name}.")

    walk(model, "")
    return [
        block.parts[0] if len(block.parts) == 1 and not len(block.own) else block
        for block in blocks
    ]


def layer_groups(model, kinds=nn.ModuleList):
    """Group the parameters of a network by its layers.

    Its layers are the entries of the list of modules that holds most parameters. What
    comes before them is a group of its own, and so is what all layers read, positions
    for example; what comes after them goes with the last.

    Parameters
    ----------
    model : nn.Module
        The network.
    kinds : type or tuple of types, default=nn.ModuleList
        What counts as a list.

    Returns
    -------
    dict of str to int
        Group of each parameter, by name.
    """
    names = [name for name, _ in model.named_parameters()]
    chosen, layers = _layer_list(model, kinds)
    if layers is None:
        return dict.fromkeys(names, 0)
    first = next(i for i, name in enumerate(names) if name.startswith(f"{chosen}."))
    groups = {}
    for place, name in enumerate(names):
        if name.startswith(f"{chosen}."):
            groups[name] = 1 + int(name[len(chosen) + 1 :].split(".")[0])
        else:
            comes_first = place < first or any(part in name for part in _FOR_ALL)
            groups[name] = 0 if comes_first else len(layers)
    return groups


def _layer_list(model, kinds):
    """Return name and modules of the list that holds most parameters, or None twice."""
    lists = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, kinds) and len(module) > 1
    }
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in lists.items()}
    if not any(sizes.values()):
        return None, None
    chosen = max(sizes, key=sizes.get)
    return chosen, lists[chosen]
