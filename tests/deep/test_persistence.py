import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from sktransfer.deep import FineTunedClassifier, FineTunedRegressor


def fitted(cls=FineTunedClassifier, **params):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(30, 3))
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
    y = X[:, 0] if cls is FineTunedRegressor else y
    return cls(pretrain_epochs=3, random_state=0, **params).fit(X, y), X


@pytest.mark.parametrize("cls", [FineTunedClassifier, FineTunedRegressor])
def test_round_trip(cls, tmp_path):
    model, X = fitted(cls, head=(5,))
    model.save(tmp_path / "model")
    again = cls.load(tmp_path / "model")
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.get_params() == model.get_params()
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["estimator.json", "weights.safetensors"]
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_backbone_of_ones_own(tmp_path):
    model, X = fitted(backbone=nn.Linear(3, 4).double())
    model.save(tmp_path)
    with pytest.raises(ValueError, match="Pass it: load"):
        FineTunedClassifier.load(tmp_path)
    again = FineTunedClassifier.load(tmp_path, backbone=nn.Linear(3, 4).double())
    assert_allclose(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="do not fit the network"):
        FineTunedClassifier.load(tmp_path, backbone=nn.Linear(3, 5).double())


@pytest.mark.parametrize("other", [nn.Tanh(), nn.LeakyReLU(0.2), nn.Identity()])
def test_backbone_with_the_same_weights_but_another_structure(tmp_path, other):
    def backbone(last):
        return nn.Sequential(nn.Linear(3, 4), last).double()

    model, X = fitted(backbone=backbone(nn.LeakyReLU(0.1)))
    model.save(tmp_path)
    with pytest.raises(ValueError, match=r"it had 1: LeakyReLU\(negative_slope=0\.1\)"):
        FineTunedClassifier.load(tmp_path, backbone=backbone(other))
    again = FineTunedClassifier.load(tmp_path, backbone=backbone(nn.LeakyReLU(0.1)))
    assert_allclose(again.predict_proba(X), model.predict_proba(X))


def test_what_does_not_match_is_refused(tmp_path):
    model, _ = fitted()
    model.save(tmp_path)
    with pytest.raises(ValueError, match="Load it with FineTunedClassifier"):
        FineTunedRegressor.load(tmp_path)
    with pytest.raises(ValueError, match="saved with the default backbone"):
        FineTunedClassifier.load(tmp_path, backbone=nn.Linear(3, 4))
    with pytest.raises(FileNotFoundError, match="holds no saved estimator"):
        FineTunedClassifier.load(tmp_path / "nowhere")
    head = json.loads((tmp_path / "estimator.json").read_text())
    head["format"] = 99
    (tmp_path / "estimator.json").write_text(json.dumps(head))
    with pytest.raises(ValueError, match="expected format 2"):
        FineTunedClassifier.load(tmp_path)
    (tmp_path / "estimator.json").write_text("{")
    with pytest.raises(ValueError, match="holds a damaged file"):
        FineTunedClassifier.load(tmp_path)


@pytest.mark.parametrize("cls", [FineTunedClassifier, FineTunedRegressor])
def test_a_file_that_lacks_what_it_is_checked_by_is_refused(cls, tmp_path):
    model, _ = fitted(cls, backbone=nn.Linear(3, 4).double())
    model.save(tmp_path)
    head = json.loads((tmp_path / "estimator.json").read_text())
    own = "classes_ multilabel_" if cls is FineTunedClassifier else "y_mean_ y_scale_"
    for name in ["input_shape_", "input_dtype_", "history_", "n_iter_", *own.split()]:
        state = {key: value for key, value in head["state"].items() if key != name}
        (tmp_path / "estimator.json").write_text(json.dumps({**head, "state": state}))
        with pytest.raises(ValueError, match=f"damaged.*{name}"):
            cls.load(tmp_path, backbone=nn.Linear(3, 4).double())
    (tmp_path / "estimator.json").write_text(json.dumps({**head, "structure": None}))
    with pytest.raises(ValueError, match=r"another backbone.*it had nothing"):
        cls.load(tmp_path, backbone=nn.Linear(3, 4).double())
    head.pop("structure")
    (tmp_path / "estimator.json").write_text(json.dumps(head))
    with pytest.raises(ValueError, match="lacks structure"):
        cls.load(tmp_path, backbone=nn.Linear(3, 4).double())


def test_damaged_weights_are_refused(tmp_path):
    model, _ = fitted()
    model.save(tmp_path)
    data = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="holds a damaged file"):
        FineTunedClassifier.load(tmp_path)
