"""A fitted network as an ONNX file: preprocessed rows in, predictions out."""

import io
import json
import logging
import os
import re
import tempfile
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sktransfer.deep._adapters import merge_adapters

__all__ = ["Predictions", "export_onnx"]

OPSET = 18
_MAX_BYTES = 2**31 - 2**24  # of a file, and what is in it beside weights
_TOLERANCE = 1e-4
_COLOURS = r"\x1b\[[0-9;]*m"
_LOGGERS = ("onnxscript", "torch.fx.experimental.symbolic_shapes")


@dataclass(frozen=True)
class Predictions:
    """What is made of the scores of the head.

    Attributes
    ----------
    kind : {"softmax", "sigmoid", "values"}
        Probabilities of classes that exclude each other, probabilities of labels that
        do not, or values.
    classes : sequence or None
        Class or label of each column of scores.
    mean, scale : float or ndarray of shape (n_outputs,)
        Values are scores times `scale` plus `mean`.
    """

    kind: str
    classes: object = None
    mean: object = 0.0
    scale: object = 1.0


def export_onnx(network, sample, path, *, output):
    """Write a network as an ONNX file that is checked before it is in its place.

    The file has one input, "rows", and one output: "probabilities" of shape (n_rows,
    n_classes) or "values" of shape (n_rows, n_outputs), in single precision. The number
    of rows is open, what a row looks like is not. Opset 18, no other domain than that
    of ONNX. Adapters are folded into the weights. Double precision becomes single:
    an error is raised if scores of the sample move by more than 1e-4, relative to the
    larger of one and themselves.

    ``metadata_props`` of the file hold the version of sktransfer, `kind`, the classes
    as a list in JSON, and the type that they have in numpy.

    Parameters
    ----------
    network : nn.Module
        Maps rows to scores; it is not changed.
    sample : ndarray or torch.Tensor of shape (n_samples, ...)
        A few rows, as the network takes them: floats, or whole numbers for tokens.
    path : str or path-like
        The file.
    output : Predictions
        What is made of the scores.
    """
    _check_packages()
    if output.kind not in ("softmax", "sigmoid", "values"):
        raise ValueError(
            "The kind of output must be 'softmax', 'sigmoid' or 'values', got "
            f"{output.kind!r}."
        )
    notes = _notes(output)
    rows = torch.as_tensor(sample).detach().cpu()
    rows = torch.cat([rows, rows])[: max(2, len(rows))]  # one row: taken for a constant
    network = merge_adapters(network).cpu().eval()
    with torch.no_grad():
        scores = network(_as(rows, next(network.parameters()).dtype))
        _check_columns(output, scores.shape[1])
        network, rows = network.float(), _as(rows, torch.float32)
        _check_precision(scores, network(rows))
    model = _converted(_Predicting(network, output).eval(), rows, output)
    _annotate(model, notes)
    _write(model, Path(path))


class _Predicting(nn.Module):
    """A network, and predictions in place of scores."""

    def __init__(self, network, output):
        super().__init__()
        self.network, self.kind = network, output.kind
        for name in ("mean", "scale"):
            value = torch.as_tensor(getattr(output, name), dtype=torch.float32)
            self.register_buffer(name, value)

    def forward(self, rows):
        """Return probabilities or values."""
        scores = self.network(rows)
        if self.kind == "softmax":
            return scores.softmax(dim=1)
        if self.kind == "sigmoid":
            return scores.sigmoid()
        return scores * self.scale + self.mean


def _check_packages():
    for name in ("onnx", "onnxscript"):
        if find_spec(name) is None:
            raise ImportError(
                f"Writing ONNX files needs {name}, which is not installed. Install it "
                'with `pip install "sktransfer[onnx]"`.'
            )


def _as(rows, dtype):
    return rows.to(dtype) if rows.is_floating_point() else rows


def _check_columns(output, n_columns):
    if output.classes is not None and len(output.classes) != n_columns:
        raise ValueError(
            f"The network gives {n_columns} scores, but there are "
            f"{len(output.classes)} classes."
        )


def _check_precision(scores, single):
    moved = (scores.double() - single.double()).abs()
    moved = float((moved / scores.double().abs().clamp(min=1)).max())
    if not moved <= _TOLERANCE:
        raise ValueError(
            f"In single precision the scores of the network move by {moved:.1e}; at "
            f"most {_TOLERANCE:.0e} is taken. Scale the rows (StandardScaler), and fit "
            "on float32."
        )


def _converted(module, rows, output):
    """Return the protocol buffer of a module."""
    n_bytes = sum(p.nbytes for p in module.state_dict().values())
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The network has {n_bytes / 2**30:.1f} GiB of weights; an ONNX file holds "
            "less than 2 GiB."
        )
    name = "values" if output.kind == "values" else "probabilities"
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                (rows,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("n_rows", min=1)},),
                input_names=["rows"],
                output_names=[name],
                opset_version=OPSET,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            cause = str(error.__cause__ or error).strip().splitlines()[0]
            raise ValueError(
                "The network cannot be written as an ONNX file. Its forward pass must "
                "not depend on the number of rows, nor branch on what is in them. The "
                f"exporter says: {re.sub(_COLOURS, '', cause)}"
            ) from error
    shape = program.model_proto.graph.input[0].type.tensor_type.shape
    if not shape.dim[0].dim_param:  # len(X) makes a number of what varies
        raise ValueError(
            f"The network cannot be written as an ONNX file: it would take {len(rows)} "
            "rows at a time, as its forward pass makes a number of how many there are. "
            "Write X.shape[0] for len(X), or X.flatten(1)."
        )
    return program.model_proto


@contextmanager
def _quiet():
    """Keep back what the exporter logs, and what it prints of a graph that fails."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _notes(output):
    import sktransfer

    notes = {"sktransfer": sktransfer.__version__, "kind": output.kind}
    if output.classes is not None:
        classes = np.asarray(output.classes)
        notes["classes"] = _json(classes.tolist())
        notes["classes_dtype"] = "O" if classes.dtype.kind == "O" else classes.dtype.str
    return notes


def _json(classes):
    try:
        return json.dumps(classes, ensure_ascii=False)
    except TypeError as error:
        raise ValueError(
            f"The classes cannot be written as JSON: {error}. Encode them as numbers "
            "or strings (LabelEncoder)."
        ) from error


def _annotate(model, notes):
    # The exporter notes from which lines of which files each node came.
    for part in _parts(model.graph):
        del part.metadata_props[:]
    for key, value in notes.items():
        model.metadata_props.add(key=key, value=value)


def _parts(graph):
    """Return a graph and all that may carry notes in it, inner graphs too."""
    parts = [graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer]
    for node in graph.node:
        parts.append(node)
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else attribute.graphs
            for each in inner:
                parts += _parts(each)
    return parts


def _write(model, path):
    """Write a file that is valid, or none."""
    import onnx

    path.parent.mkdir(parents=True, exist_ok=True)
    file = tempfile.NamedTemporaryFile(dir=path.parent, delete=False)
    try:
        with file:
            file.write(model.SerializeToString())
        onnx.checker.check_model(file.name, full_check=True)
        os.chmod(file.name, 0o644)  # a temporary file is for its owner alone
        os.replace(file.name, path)
    except BaseException:
        os.unlink(file.name)
        raise
