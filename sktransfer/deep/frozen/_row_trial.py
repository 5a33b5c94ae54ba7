"""Whether a frozen part treats each row alike, and does nothing else, told by trial."""

import torch

from sktransfer.deep.frozen._fingerprint import fingerprint
from sktransfer.deep.frozen._known_plans import count_lengths, known_plans
from sktransfer.deep.frozen._module_state import ModuleState
from sktransfer.deep.frozen._random_states import RandomStates

__all__ = ["is_row_by_row"]

# Less than that is what batches of other sizes lose in rounding, also on a GPU.
_CLOSE = 1e-2


def is_row_by_row(cut, sample):
    """Whether rows alone give what they give together, without random draws.

    Of a part that others follow in the backbone, nothing but its output may tell that
    it was called: neither hooks nor attributes, which those may look at. A trial is
    remembered by the part's weights and code.

    Parameters
    ----------
    cut : Cut
        On the device of the rows.
    sample : torch.Tensor
        A few rows.

    Returns
    -------
    bool
    """
    frozen, is_followed = cut.frozen.eval(), cut.live.rest is not None
    if is_followed and any(map(_is_watched, frozen.modules())):
        return False
    tells = not torch.equal(sample[:1], sample[-1:])
    rows = tuple(sample.shape[1:]), sample.dtype, sample.device.type
    key = fingerprint(frozen, "rows", is_followed, *rows, count_lengths(sample), tells)
    return known_plans.find(key, lambda: _trial(frozen, sample, is_followed))


def _is_watched(part):
    return bool(part._forward_hooks or part._forward_pre_hooks)


def _trial(frozen, sample, is_followed):
    draws, state = RandomStates(), ModuleState(frozen.modules())
    try:
        with torch.no_grad():
            together = frozen(sample.clone())  # it may write into its rows
            alone = torch.cat([frozen(row[None]) for row in sample.clone()])
    except torch.OutOfMemoryError:
        raise
    except Exception:  # it comes again without the cut
        return False
    if RandomStates() != draws:
        draws.restore()
        return False
    if is_followed and not state.is_same():
        return False
    if alone.shape != together.shape or not alone.is_floating_point():
        return False
    close = max(_CLOSE, torch.finfo(alone.dtype).eps ** 0.5)
    near = close * float(together.abs().nan_to_num().max())
    return torch.allclose(alone, together, rtol=close, atol=near, equal_nan=True)
