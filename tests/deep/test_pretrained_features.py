import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from torch import nn

import sktransfer.deep._pretrained_features as module
from sktransfer.deep import PretrainedFeatures
from sktransfer.deep.frozen._feature_cache import FeatureCache
from tests.deep.counting import CountsRows


class Counted(nn.Module, metaclass=CountsRows):
    """A convolution that counts the images of all its copies."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv, self.norm = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6)

    def forward(self, X):
        return self.norm(self.conv(X))


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    monkeypatch.setattr(module, "shared_cache", FeatureCache())
    Counted.n_rows = 0


@pytest.fixture
def images():
    return np.random.RandomState(0).normal(size=(24, 1, 5, 5)).astype(np.float32)


def test_features_are_those_of_the_network_in_evaluation_mode(images):
    network = Counted().train()
    found = PretrainedFeatures(network, batch_size=7, device="cpu").fit_transform(
        images
    )
    network.eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).mean((2, 3)).numpy()
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.dtype == np.float32


def test_the_network_that_was_passed_is_left_alone(images):
    network = Counted().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = PretrainedFeatures(network).fit(images)
    model.transform(images)
    assert network.training
    assert model.backbone_ is not network
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_a_search_over_what_follows_costs_one_pass(images):
    pipe = Pipeline(
        [("features", PretrainedFeatures(Counted())), ("clf", LogisticRegression())]
    )
    y = np.arange(24) % 2
    grid = {"clf__C": [0.1, 1.0, 10.0, 100.0]}
    search = GridSearchCV(pipe, grid, cv=4).fit(images, y)
    search.predict(images[::-1].copy())
    assert Counted.n_rows == 24


def test_other_weights_give_other_features(images):
    first, second = (
        PretrainedFeatures(Counted(seed)).fit_transform(images) for seed in range(2)
    )
    assert Counted.n_rows == 48
    assert np.abs(first - second).max() > 0.01


def test_a_folder_is_shared(images, tmp_path, monkeypatch):
    first = PretrainedFeatures(Counted(), memory=tmp_path).fit_transform(images)
    monkeypatch.setattr(module, "shared_cache", FeatureCache())
    second = PretrainedFeatures(Counted(), memory=tmp_path).fit_transform(images)
    assert_array_equal(first, second)
    assert Counted.n_rows == 24


def test_names_and_frames(images):
    model = PretrainedFeatures(Counted()).fit(images)
    names = model.get_feature_names_out()
    assert names[0] == "pretrainedfeatures0"
    assert len(names) == 6
    frame = model.set_output(transform="pandas").transform(images)
    assert list(frame.columns) == list(names)


def test_without_a_network_rows_are_flattened(images):
    found = PretrainedFeatures().fit_transform(images)
    assert_array_equal(found, images.reshape(24, -1))
    assert not np.shares_memory(found, images)


def test_what_is_wrong_is_said(images):
    with pytest.raises(ValueError, match="cannot take rows of shape"):
        PretrainedFeatures(nn.Linear(3, 2)).fit(images[:, 0, 0])
    with pytest.raises(TypeError, match=r"must be None, a name, a torch\.nn\.Module"):
        PretrainedFeatures(3).fit(images)
    with pytest.raises(FileNotFoundError, match="neither 'prefix:name' nor a folder"):
        PretrainedFeatures("resnet").fit(images)
    model = PretrainedFeatures(Counted()).fit(images)
    with pytest.raises(ValueError, match=r"fitted on rows of shape \(1, 5, 5\)"):
        model.transform(images[:, :, :4])
