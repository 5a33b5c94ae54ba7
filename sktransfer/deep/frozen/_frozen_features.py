"""Rows as the frozen part of a network makes them, each computed once."""

import numpy as np
import torch

from sktransfer.deep._device import autocast
from sktransfer.deep._progress import shown
from sktransfer.deep.backbones._keras_parts import is_keras
from sktransfer.deep.frozen._cut_plan import NotCut
from sktransfer.deep.frozen._feature_cache import shared_cache
from sktransfer.deep.frozen._fingerprint import fingerprint
from sktransfer.deep.frozen._frozen_part import cut_network
from sktransfer.deep.frozen._inner_cut import cut_inside
from sktransfer.deep.frozen._keras_cut import cut_keras
from sktransfer.deep.frozen._row_trial import is_row_by_row

__all__ = ["frozen_features", "outputs_of", "scores_of"]


def frozen_features(
    network,
    arrays,
    *,
    device,
    mixed_precision,
    batch_size,
    memory,
    verbose=0,
    at_least=1,
    keeps_rows=False,
    cache=shared_cache,
):
    """Return what learns in a network, and what is frozen applied to arrays of rows.

    Parameters
    ----------
    network : Network
        In the mode in which it is used.
    arrays : sequence of ndarray of shape (n_samples, ...)
        Rows.
    device : torch.device
        Where to compute.
    mixed_precision : bool
        Whether bfloat16 is used where there is it.
    batch_size : int
        Rows of a forward pass.
    memory : str, path-like, joblib.Memory or None
        Folder for features on disk.
    verbose : int, default=0
        1: progress is shown.
    at_least : int, default=1
        Fewer rows than that are not worth looking for.
    keeps_rows : bool, default=False
        Whether what learns must know the rows, too: a term of the loss may run other
        backbones on them.
    cache : FeatureCache
        Where the rows are kept.

    Returns
    -------
    live : nn.Module or None
        Maps features to scores; if it has ``takes_rows``, features and rows.
    features : list of ndarray or None
        None if nothing is frozen, if the network cannot be cut, if there are too few
        rows, or if the features of all would take more memory than the cache may: then
        rows go through the whole network in every epoch.
    """
    n_rows = sum(len(X) for X in arrays)
    cut = None
    if n_rows >= max(1, at_least):
        cut = _cut(network, arrays, device, keeps_rows)
    if cut is None:
        return None, None

    def compute(X):
        return outputs_of(
            cut.frozen.to(device).eval(),
            X,
            device,
            mixed_precision=mixed_precision,
            batch_size=batch_size,
            verbose=verbose if len(X) > batch_size else 0,
        )

    training = network.training
    try:
        key = fingerprint(cut.frozen, device.type, mixed_precision)
        first = next(X for X in arrays if len(X))[:1]
        if n_rows * cache.compute(key, first, compute, memory).nbytes > cache.max_bytes:
            return None, None
        features = [cache.compute(key, X, compute, memory) for X in arrays]
    except NotCut:
        return None, None
    finally:
        network.train(training)
    return cut.live, features


def _cut(network, arrays, device, keeps_rows):
    given = [X for X in arrays if len(X)]
    is_of_images = given[0].ndim > 3  # large, and all alike in their lengths
    X = given[0] if is_of_images or len(given) == 1 else np.concatenate(given)
    sample = torch.from_numpy(_unlike(X)).to(device)
    cut = None if keeps_rows else cut_network(network.to(device))
    if cut is not None:
        training = network.training
        is_right = is_row_by_row(cut, sample)
        network.train(training)
        if is_right:
            return cut
    is_graph = is_keras(network.backbone) and not keeps_rows
    return (cut_keras if is_graph else cut_inside)(network.to(device), sample)


def _unlike(X):
    """Return rows that differ: two, of texts and sounds short, middling and long ones.

    Rows of nothing but padding tell nothing. Without any that differ they are alike.
    """
    lengths = np.ones(len(X))
    if X.ndim <= 3:  # no images
        flat = X.reshape(len(X), -1)
        lengths = np.count_nonzero(flat != _padding(flat), axis=1)
    order = np.argsort(np.where(lengths > 0, lengths, np.inf), kind="stable")
    known = order[: np.count_nonzero(lengths)]
    chosen = [known[0], known[len(known) // 2], known[-1]] if len(known) else [0]
    chosen = list({int(lengths[i]): int(i) for i in reversed(chosen)}.values())[::-1]
    if len(chosen) == 1:
        others = (i for i in order if not np.array_equal(X[i], X[chosen[0]]))
        chosen.append(next(others, chosen[0]))
    return np.array(X[chosen])


def _padding(flat):
    """Return what rows may end with: 0, or the commonest last number of a text."""
    last = flat[:, -1]
    if flat.dtype.kind not in "iu" or flat.shape[1] == 1 or 0 in last:
        return 0
    values, counts = np.unique(last, return_counts=True)
    return values[counts.argmax()]


def outputs_of(module, X, device, *, mixed_precision, batch_size, rows=None, verbose=0):
    """Return a module's outputs for rows, batch by batch, without gradients.

    Parameters
    ----------
    module : nn.Module
        On the device, in evaluation mode.
    X : ndarray of shape (n_samples, ...)
        Rows.
    device : torch.device
        Where the module is.
    mixed_precision : bool
        Whether bfloat16 is used where there is it.
    batch_size : int
        Rows of a batch.
    rows : ndarray of shape (n_samples, ...), default=None
        What the module takes besides.
    verbose : int, default=0
        1: progress is shown.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        In the type of X, if the outputs are narrower floats.
    """
    outputs = []
    with torch.no_grad(), autocast(device, mixed_precision):
        starts = range(0, len(X), batch_size)
        for start in shown(starts, "Features", verbose=verbose):
            part = slice(start, start + batch_size)
            batch = torch.from_numpy(np.array(X[part]))
            more = () if rows is None else (torch.from_numpy(np.array(rows[part])),)
            found = module(batch.to(device), *(item.to(device) for item in more))
            if found.dtype == torch.bfloat16:  # numpy has none
                is_float = batch.is_floating_point()
                found = found.to(batch.dtype if is_float else torch.float32)
            outputs.append(found.cpu())
    return torch.cat(outputs).numpy()


def scores_of(network, X, device, **settings):
    """Return the scores of a network in double precision; raise unless all are finite.

    The last steps of a training that diverges are seen by no loss.
    """
    scores = outputs_of(network, X, device, **settings).astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(
            "The network gives scores that are not finite: its training diverged, or X "
            "is far larger than in fit. Lower `lr`, or scale X (StandardScaler)."
        )
    return scores
