"""ONNX files of networks: the same predictions without torch."""

import copy
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from peft import LoraConfig
from torch import nn
from transformers import BertConfig, BertModel

import sktransfer
from sktransfer.deep import FineTunedClassifier, _onnx
from sktransfer.deep._adapters import adapter_parameters, add_adapters
from sktransfer.deep._device import seeded
from sktransfer.deep._network import Network
from sktransfer.deep._onnx import Predictions, export_onnx
from tests.deep.test_inner_cut import KINDS

CPU = torch.device("cpu")
COLORS = np.array(["blau", "grün", "rot"])


class MeanOfTokens(nn.Module):
    """Takes rows of tokens, padded with zeros."""

    def __init__(self):
        super().__init__()
        config = BertConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
        self.model = BertModel(config)

    def forward(self, ids):
        mask = (ids != 0).long()
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def mlp():
    with seeded(0, CPU):
        backbone = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5))
        return Network(backbone, nn.Linear(8, 3))


def cnn():
    with seeded(0, CPU):
        backbone = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
        )
        network = Network(backbone, nn.Linear(6, 3))
        network(torch.randn(20, 1, 7, 7))  # statistics that are not 0 and 1
        return network


def transformer():
    with seeded(0, CPU):
        return Network(MeanOfTokens(), nn.Linear(16, 3))


def rows_for(network, n):
    rng = np.random.RandomState(n)
    kind = type(network.backbone)
    if kind is MeanOfTokens:
        ids = rng.randint(1, 50, size=(n, 7))
        ids[rng.uniform(size=n) < 0.5, 4:] = 0
        return ids
    shape = (1, 7, 7) if isinstance(network.backbone[0], nn.Conv2d) else (4,)
    return rng.normal(size=(n, *shape)).astype(np.float32)


def scores(network, rows):
    with torch.no_grad():
        return copy.deepcopy(network).eval()(torch.from_numpy(rows))


def exported(network, path, output, n_sample=2):
    export_onnx(network, rows_for(network, n_sample), path, output=output)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def notes_of(session):
    return session.get_modelmeta().custom_metadata_map


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "n_sample"), [(mlp, 1), (mlp, 5), (cnn, 5), (transformer, 1)]
)
def test_equals_the_network(make, n_sample, tmp_path):
    network = make()
    before, mode = copy.deepcopy(network.state_dict()), network.training
    state = torch.random.get_rng_state()
    output = Predictions("softmax", COLORS)
    session = exported(network, tmp_path / "new" / "model.onnx", output, n_sample)
    for n in (1, 3, 17):
        rows = rows_for(network, n)
        (found,) = session.run(["probabilities"], {"rows": rows})
        expected = scores(network, rows).softmax(dim=1)
        assert found.dtype == np.float32
        assert_allclose(found, expected, atol=1e-5)
    assert notes_of(session) == {
        "sktransfer": sktransfer.__version__,
        "kind": "softmax",
        "classes": '["blau", "grün", "rot"]',
        "classes_dtype": "<U4",
    }
    assert network.training == mode
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.onnx"]
    model = onnx.load(tmp_path / "new" / "model.onnx")
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert shape[0].dim_param == "n_rows"
    assert tuple(each.dim_value for each in shape[1:]) == rows.shape[1:]
    assert not any(node.op_type == "Dropout" for node in model.graph.node)
    # No paths of the machine on which it was made.
    assert b".py" not in model.SerializeToString()


@pytest.mark.slow
def test_kinds_of_output(tmp_path):
    network = mlp()
    session = exported(network, tmp_path / "labels.onnx", Predictions("sigmoid"))
    rows = rows_for(network, 5)
    (found,) = session.run(None, {"rows": rows})
    assert_allclose(found, scores(network, rows).sigmoid(), atol=1e-5)
    assert "classes" not in notes_of(session)
    mean, scale = np.array([2000.0, -1.0, 0.0]), np.array([10.0, 1.0, 0.5])
    output = Predictions("values", mean=mean, scale=scale)
    session = exported(network, tmp_path / "values.onnx", output)
    (found,) = session.run(["values"], {"rows": rows})
    assert_allclose(found, scores(network, rows).numpy() * scale + mean, rtol=1e-5)


@pytest.mark.parametrize(
    "classes",
    [
        COLORS,
        np.array(["a", "b", "c"], dtype=object),
        np.array([-3, 0, 2**40]),
        np.array([0.1, 1e300, -0.0]),
        np.array([1, 2, 3], dtype=np.int8),
    ],
)
def test_nothing_of_the_classes_is_lost(classes):
    notes = _onnx._notes(Predictions("softmax", classes))
    dtype = notes["classes_dtype"]
    again = np.array(json.loads(notes["classes"]), dtype=dtype)
    assert again.dtype == classes.dtype
    assert again.tolist() == classes.tolist()
    assert notes["kind"] == "softmax"


@pytest.mark.slow
def test_double_precision(tmp_path):
    network = mlp().double()
    session = exported(network, tmp_path / "m.onnx", Predictions("softmax"))
    rows = rows_for(network, 17)
    (found,) = session.run(None, {"rows": rows})
    expected = scores(network, rows.astype(np.float64)).softmax(dim=1)
    assert_allclose(found, expected, atol=1e-5)
    assert next(network.parameters()).dtype == torch.float64
    with torch.no_grad():
        network.backbone[0].bias += 1e9
        network.head.weight.copy_(torch.randn(3, 8, dtype=torch.float64) * 1e-3)
        network.head.bias -= network.head.weight.sum(dim=1) * 1e9
    with pytest.raises(ValueError, match=r"In single precision the scores .* move by"):
        exported(network, tmp_path / "m.onnx", Predictions("softmax"))


@pytest.mark.slow
def test_adapters_are_folded_in(tmp_path):
    network = mlp()
    with seeded(0, CPU), torch.no_grad():
        add_adapters(network.backbone, LoraConfig(target_modules=["0"]))
        for parameter in adapter_parameters(network):
            parameter.add_(0.3 * torch.randn_like(parameter))
    session = exported(network, tmp_path / "m.onnx", Predictions("softmax"))
    rows = rows_for(network, 3)
    (found,) = session.run(None, {"rows": rows})
    assert_allclose(found, scores(network, rows).softmax(dim=1), atol=1e-5)
    assert not np.allclose(found, scores(mlp(), rows).softmax(1), atol=1e-3)
    assert adapter_parameters(network)
    model = onnx.load(tmp_path / "m.onnx")
    assert not any("lora" in each.name for each in model.graph.initializer)


@pytest.mark.slow
def test_network_that_cannot_be_written(tmp_path):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, rows):
            return self.layer(rows if rows.sum() > 0 else -rows)

    (tmp_path / "m.onnx").write_text("the old one")
    network = Network(nn.Sequential(nn.Linear(4, 4), Branches()), nn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"cannot be written as an ONNX file\. Its"):
        exported(network, tmp_path / "m.onnx", Predictions("softmax"))
    assert (tmp_path / "m.onnx").read_text() == "the old one"


@pytest.mark.slow
def test_number_of_rows_that_was_made_a_constant(tmp_path):
    class Reshapes(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.layer, self.count = nn.Linear(4, 3), count

        def forward(self, rows):
            return self.layer(rows).reshape(self.count(rows), -1)

    def network(count):
        return Network(nn.Sequential(Reshapes(count)), nn.Linear(3, 3))

    path = tmp_path / "m.onnx"
    with pytest.raises(ValueError, match=r"take 2 rows at a time.* Write X.shape\[0\]"):
        exported(network(len), path, Predictions("softmax"))
    assert not list(tmp_path.iterdir())
    session = exported(network(lambda X: X.shape[0]), path, Predictions("softmax"))
    (found,) = session.run(None, {"rows": np.ones((17, 4), dtype=np.float32)})
    assert found.shape == (17, 3)


def test_what_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    with pytest.raises(ValueError, match="'softmax', 'sigmoid' or 'values', got 'arg"):
        exported(mlp(), path, Predictions("argmax"))
    with pytest.raises(ValueError, match="gives 3 scores, but there are 2 classes"):
        exported(mlp(), path, Predictions("softmax", ["a", "b"]))
    with pytest.raises(ValueError, match=r"cannot be written as JSON: .* Encode them"):
        exported(mlp(), path, Predictions("softmax", np.array([b"a", b"b", b"c"])))
    monkeypatch.setattr(_onnx, "_MAX_BYTES", 10)
    with pytest.raises(ValueError, match="GiB of weights; an ONNX file holds less"):
        exported(mlp(), path, Predictions("softmax"))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_checked_before_it_is_in_place(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise onnx.checker.ValidationError("damaged")

    path = tmp_path / "m.onnx"
    path.write_text("the old one")
    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(onnx.checker.ValidationError):
        exported(mlp(), path, Predictions("softmax"))
    assert [each.read_text() for each in tmp_path.iterdir()] == ["the old one"]


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_onnx(missing, tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx, "find_spec", lambda name: None if name == missing else 1)
    with pytest.raises(ImportError, match=rf"needs {missing}, .*sktransfer\[onnx\]"):
        exported(mlp(), tmp_path / "m.onnx", Predictions("softmax"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "masked-speech"])
def test_rows_of_several_lengths(tmp_path, kind):
    make, rows = KINDS[kind]
    X, y = rows(8), np.arange(8) % 2
    model = FineTunedClassifier(make(), trainable="head", max_epochs=1, device="cpu")
    model.fit(X, y).to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for part in (slice(0, 8), slice(0, 1), slice(3, 5)):
        given = X[part].astype(model.input_dtype_)
        (found,) = session.run(None, {"rows": given})
        assert_allclose(found, model.predict_proba(X[part]), atol=1e-5)


def test_speech_that_is_taken_by_lengths_has_no_file(tmp_path):
    make, rows = KINDS["speech"]
    model = FineTunedClassifier(make(), trainable="head", max_epochs=1, device="cpu")
    model.fit(rows(4), np.arange(4) % 2)
    with pytest.raises(ValueError, match="clips of each length by themselves"):
        model.to_onnx(tmp_path / "model.onnx")
