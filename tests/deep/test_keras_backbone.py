"""Networks of Keras as backbones, on Keras' torch backend.

The backend is chosen when Keras is imported, hence another process.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.deep.in_keras import said_in_keras

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed"),
]

SCRIPT = """
import json
import keras
import numpy as np
import torch
from sktransfer.deep import FineTunedClassifier
from sktransfer.deep.backbones._keras_parts import is_keras, keras_blocks, keras_state

keras.utils.set_random_seed(0)
given = keras.applications.VGG16(
    weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3)
)
before = {name: p.detach().clone() for name, p in given.named_parameters()}
rng = np.random.RandomState(0)
X = rng.normal(size=(24, 32, 32, 3)).astype(np.float32)
y = np.arange(24) % 2
X[y == 1, :16] += 1
said = {}
for trainable, lr in (("head", 0.02), ("all", 1e-4)):
    model = FineTunedClassifier(
        given, trainable=trainable, lr=lr, max_epochs=3, random_state=0
    ).fit(X, y)
    after = dict(model.network_.backbone.named_parameters())
    said[trainable] = {
        "losses": [epoch["train_loss"] for epoch in model.history_],
        "moved": sum(not torch.equal(after[n], before[n]) for n in before),
        "given_moved": sum(
            not torch.equal(p, before[n]) for n, p in given.named_parameters()
        ),
        "probabilities": model.predict_proba(X).tolist(),
    }
said["n_features"] = model.network_.head.in_features
with torch.no_grad():
    features = given(torch.from_numpy(X))
    scores = model.network_.head(model.network_.backbone(torch.from_numpy(X)))
said["by_hand"] = scores.softmax(1).tolist()
said["is_keras"] = [is_keras(given), is_keras(torch.nn.Linear(2, 2))]
said["blocks"] = [[layer.name for layer in block] for block in keras_blocks(given)]

small = keras.Sequential(
    [
        keras.layers.Input((4,)),
        keras.layers.Dense(3, name="first"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(2, name="second"),
    ]
)
small.trainable = False
said["small_blocks"] = [
    [layer.name for layer in block] for block in keras_blocks(small)
]
state = {id(p) for p in keras_state(small)}
said["learns"] = sorted(
    name.split(".")[-1] for name, p in small.named_parameters() if id(p) not in state
)
said["n_state"] = len(state)
said["state_of_torch"] = keras_state(torch.nn.BatchNorm1d(2))
outer = keras.Sequential([keras.layers.Input((4,)), small])
said["opened"] = [[layer.name for layer in block] for block in keras_blocks(outer)]
print("SAID" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def said():
    return said_in_keras(SCRIPT)


@pytest.mark.parametrize("trainable", ["head", "all"])
def test_vgg16_is_fine_tuned(said, trainable):
    found = said[trainable]
    assert np.all(np.diff(found["losses"]) < 0)
    assert found["given_moved"] == 0
    # Thirteen convolutions, each with a kernel and a bias.
    assert found["moved"] == (0 if trainable == "head" else 26)
    assert np.isfinite(found["probabilities"]).all()


def test_features_and_predictions(said):
    assert said["n_features"] == 512
    np.testing.assert_allclose(said["all"]["probabilities"], said["by_hand"], atol=1e-5)


def test_blocks_are_layers(said):
    assert said["is_keras"] == [True, False]
    assert len(said["blocks"]) == 13
    last = [["block5_conv1"], ["block5_conv2"], ["block5_conv3"]]
    assert said["blocks"][-3:] == last
    # Normalisation and seeds belong to the layer before, and a wrapper is opened.
    assert said["small_blocks"] == [["first", "norm", "dropout"], ["second"]]
    assert said["opened"] == said["small_blocks"]


def test_moving_averages_and_seeds_do_not_learn(said):
    assert len(said["learns"]) == 6
    assert not any("moving" in name or "seed" in name for name in said["learns"])
    assert said["n_state"] == 3
    assert said["state_of_torch"] == []
