"""A Keras network is cut before what learns, and what lies below is computed once.

The backend is chosen when Keras is imported, hence another process.
"""

from importlib.util import find_spec

import pytest

from tests.deep.in_keras import said_in_keras

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed"),
]

SCRIPT = """
import copy
import functools
import json
import keras
import numpy as np
import torch
from keras import layers
from sklearn.model_selection import GridSearchCV
from sktransfer.deep import L2SP, FineTunedClassifier
from sktransfer.deep.frozen._keras_identity import keras_identity

rows = {"stem": 0}
call = layers.Conv2D.call

@functools.wraps(call)
def counted(self, inputs):
    if self.name == "stem":
        rows["stem"] += len(inputs)
    return call(self, inputs)

layers.Conv2D.call = counted
image = (8, 8, 3)

def residual(activation="relu", **norm):
    keras.utils.set_random_seed(0)
    given = layers.Input(image)
    stem = layers.Conv2D(4, 3, padding="same", name="stem")(given)
    normed = layers.BatchNormalization(name="norm")(stem, **norm)
    second = layers.Conv2D(
        4, 3, padding="same", activation=activation, name="second"
    )(normed)
    added = layers.Add()([second, stem])
    last = layers.Conv2D(5, 3, name="last")(layers.Dropout(0.5)(added))
    both = [layers.GlobalAveragePooling2D()(x) for x in (last, added * 2)]
    return keras.Model(given, layers.Concatenate()(both))

def inside():
    given = layers.Input(image)
    wide = layers.Dense(4, name="wide")(residual()(layers.Rescaling(0.5)(given)))
    return keras.Model(given, wide)

def sequential():
    return keras.Sequential([layers.Input(image), residual(), layers.Dense(3)])

def twice():
    given, shared = layers.Input(image), residual()
    return keras.Model(given, layers.Dense(3)(shared(given) + shared(2 * given)))

def of_the_batch():
    given = layers.Input(image)
    stem = layers.Conv2D(4, 3, name="stem")(given)
    centred = stem - keras.ops.mean(stem, axis=0, keepdims=True)
    return keras.Model(given, layers.Conv2D(4, 3, name="last")(centred))

def hidden_by_zeros():
    given = layers.Input(image)
    stem = layers.Conv2D(4, 3, name="stem")(given)
    centred = stem - keras.ops.mean(stem, axis=0, keepdims=True)
    last = layers.Conv2D(4, 1, name="last", kernel_initializer="zeros")(centred)
    return keras.Model(given, layers.Concatenate()([last, stem]))

@keras.saving.register_keras_serializable()
class Own(keras.Model):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.stem = layers.Conv2D(4, 3, name="stem")
        self.last = layers.Conv2D(4, 3, name="last")

    def call(self, X):
        return self.last(self.stem(X))

def own():
    made = Own()
    made(np.zeros((1, *image), "f4"))
    return made

def tokens():
    keras.utils.set_random_seed(0)
    given = layers.Input((5,))
    words = layers.Embedding(9, 4, mask_zero=True)(given)
    return keras.Model(given, layers.Dense(3)(layers.LSTM(4)(words)))

def masked_below():
    keras.utils.set_random_seed(0)
    given = layers.Input((5,))
    words = layers.Embedding(9, 4, mask_zero=True)(given)
    states = layers.LSTM(4, return_sequences=True)(words)
    return keras.Model(given, layers.LSTM(4)(states))

rng = np.random.RandomState(0)
X = rng.normal(size=(30, *image)).astype("f4")
ids = rng.randint(1, 9, (30, 5))
ids[::2, 3:] = 0
y = np.arange(30) % 2
X[y == 1, :4] += 1
params = {"max_epochs": 6, "batch_size": 8, "optimizer": "sgd", "lr": 0.1}
params |= {"l2_sp": 0.01, "random_state": 0, "device": "cpu"}

def compare(made, trainable, X=X, **more):
    settings = {**params, "trainable": trainable, **more}
    rows["stem"] = 0
    cut = FineTunedClassifier(made, **settings).fit(X, y)
    n_rows = rows["stem"]
    whole = FineTunedClassifier(made, augment=lambda rows: rows, **settings).fit(X, y)
    weights = [
        {k: x.detach() for k, x in m.network_.named_parameters() if "seed" not in k}
        for m in (cut, whole)
    ]
    apart = [float((weights[0][k] - weights[1][k]).abs().max()) for k in weights[1]]
    start, moved = (
        {"/".join(x.path.split("/")[-2:]): x.value.detach().clone() for x in m.weights}
        for m in (made, cut.network_.backbone)
    )
    scores = np.abs(cut.predict_proba(X) - whole.predict_proba(X)).max()
    return {
        "rows": n_rows,
        "apart": max(apart),
        "scores": float(scores),
        "moved": sorted(
            k for k in moved if not torch.equal(moved[k], start[k])
        ),
    }

said = {
    "residual": compare(residual(), 1),
    "residual-second": compare(residual(), 2),
    "residual-pattern": compare(residual(), ["*.second/bias"]),
    "stopping": compare(residual(), 1, validation_fraction=0.3, patience=2),
    "unfreezing": compare(residual(), 2, unfreeze_every=2),
    "inside": compare(inside(), ["*last*", "*wide*"]),
    "sequential": compare(sequential(), ["*last*"]),
    "twice": compare(twice(), 1),
    "tokens": compare(tokens(), 1, ids),
    "of-the-batch": compare(of_the_batch(), 1),
    "hidden-by-zeros": compare(hidden_by_zeros(), 1),
    "own": compare(own(), 1),
    "trains": compare(residual(training=True), 1),
    "masked": compare(masked_below(), 1, ids),
    "regularizer": compare(residual(), 1, regularizer=L2SP(0.1)),
}
for trainable in ("head", 1):
    rows["stem"] = 0
    grid = {"head": ["linear", (8,)], "lr": [0.1, 0.01]}
    model = FineTunedClassifier(residual(), **{**params, "trainable": trainable})
    new = np.concatenate([X + 1, X + len(str(trainable))])
    GridSearchCV(model, grid, cv=4).fit(new, np.concatenate([y, y]))
    said[f"search-{trainable}"] = rows["stem"]

nets = [residual(), residual("gelu"), inside(), sequential(), twice(), tokens()]
said["same"] = [
    keras_identity(copy.deepcopy(net)) == keras_identity(net) for net in nets
]
said["different"] = len({keras_identity(net) for net in nets})
nets = [residual(activation=lambda x: keras.ops.relu(x)), own()]
said["unknown"] = [keras_identity(net) for net in nets]
print("SAID" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def said():
    return said_in_keras(SCRIPT)


LAST = ["last/bias", "last/kernel"]
SECOND = ["second/bias", "second/kernel"]
CUT = {
    "residual": LAST,
    "residual-second": LAST + SECOND,
    "residual-pattern": SECOND[:1],
    "stopping": LAST,
    "unfreezing": LAST + SECOND,
    "inside": [*LAST, "wide/bias", "wide/kernel"],
    "sequential": LAST,
}
WHOLE = ["of-the-batch", "hidden-by-zeros", "own", "trains", "regularizer"]


@pytest.mark.parametrize("name", [*CUT, "twice", "tokens", *WHOLE, "masked"])
def test_training_is_the_same_as_through_the_whole_network(said, name):
    assert said[name]["apart"] < 1e-5
    assert said[name]["scores"] < 1e-5
    assert said[name]["moved"] == CUT.get(name, said[name]["moved"])


def test_what_is_frozen_sees_each_row_once(said):
    assert all(said[name]["rows"] < 2 * 30 for name in CUT)
    assert all(said[name]["rows"] >= 6 * 30 for name in WHOLE)
    # The model is called twice.
    assert said["twice"]["rows"] < 2 * 2 * 30


@pytest.mark.parametrize("trainable", ["head", "1"])
def test_a_search_sends_the_rows_through_the_network_twice_at_most(said, trainable):
    # Two rows of each of the 17 fits tell the number of features.
    assert said[f"search-{trainable}"] <= 2 * 60


def test_networks_that_keras_alone_made_are_told_apart(said):
    assert said["same"] == [True] * 6
    assert said["different"] == 6
    assert said["unknown"] == [None, None]  # code of the user's own
