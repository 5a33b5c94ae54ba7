"""Training that goes on: what it is held to, what is left after errors."""

from pathlib import PosixPath

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import EarlyStopping
from torch import nn

from sktransfer.deep import L2SP, FineTunedClassifier, PretrainedFeatures
from sktransfer.deep._adapters import adapter_parameters


def draw(n=48, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    return X, (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)


def linear():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(4, 3).double()


def moved(model, given):
    pairs = zip(model.network_.backbone.parameters(), given.parameters(), strict=True)
    return sum(float((a - b).square().sum().detach()) for a, b in pairs) ** 0.5


def test_l2_sp_pulls_to_where_the_first_call_started():
    X, y = draw()
    distances = []
    for l2_sp in (0.0, 1e3):
        given = linear()
        model = FineTunedClassifier(
            given, l2_sp=l2_sp, lr=1e-2, random_state=0, device="cpu"
        )
        for _ in range(30):
            model.partial_fit(X, y)
        distances.append(moved(model, given))
    assert distances[1] < 0.2 * distances[0]


@pytest.mark.parametrize(
    "params", [{"regularizer": L2SP()}, {"unfreeze_every": 1}], ids=["term", "blocks"]
)
def test_one_epoch_a_call_takes_no_setting_of_a_phase(params):
    X, y = draw()
    (name,) = params
    with pytest.raises(ValueError, match=f"`{name}` counts from the start of a phase"):
        FineTunedClassifier(linear(), **params).partial_fit(X, y)


def test_a_first_call_that_fails_leaves_nothing():
    X, y = draw()
    model = FineTunedClassifier(linear(), augment=lambda rows: rows[:-1])
    with pytest.raises(ValueError, match="as many rows"):
        model.partial_fit(X, y)
    assert not hasattr(model, "network_")
    assert model.set_params(augment=None).partial_fit(X, y).n_iter_ == 1


@pytest.mark.parametrize("on_interrupt", ["discard", "keep"])
def test_an_error_gives_the_fitted_network_back(on_interrupt):
    X, y = draw()
    model = FineTunedClassifier(
        linear(), warm_start=True, on_interrupt=on_interrupt, max_epochs=3
    )
    before = model.fit(X, y).predict_proba(X)
    with pytest.raises(ValueError, match="Training diverged"):
        model.set_params(lr=1e300, optimizer="sgd").fit(X, y)
    assert_array_equal(model.predict_proba(X), before)


def test_loaded_adapters_learn_again_and_nothing_else(tmp_path):
    X, y = draw()
    given = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6)).double()
    from peft import LoraConfig

    peft = LoraConfig(r=2, target_modules=["0", "2"])
    model = FineTunedClassifier(given, peft=peft, max_epochs=3).fit(X, y)
    with pytest.warns(UserWarning, match="peft cannot be written"):
        model.save(tmp_path)
    again = FineTunedClassifier.load(tmp_path, backbone=given).set_params(device="cpu")
    assert not adapter_parameters(again.network_.backbone)
    folded = {k: v.clone() for k, v in again.network_.backbone.state_dict().items()}
    again.set_params(peft=peft, warm_start=True).fit(X, y)
    assert adapter_parameters(again.network_.backbone)
    after = again.network_.backbone.state_dict()
    own = {k.replace(".base_layer", ""): v for k, v in after.items()}
    assert all(torch.equal(folded[k], own[k]) for k in folded)
    with pytest.raises(ValueError, match="there is a first phase"):
        FineTunedClassifier(lambda: linear(), peft=peft).fit(X, y)


def test_batch_normalisation_of_one_row_is_explained():
    X, y = draw()
    given = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).double()
    with pytest.raises(ValueError, match="cannot learn from a batch of one row"):
        FineTunedClassifier(given, batch_size=1).fit(X, y)


@pytest.mark.parametrize("weights", [{0: -1, 1: 1}, {0: 0, 1: 0}])
def test_class_weights_are_not_negative(weights):
    with pytest.raises(ValueError, match="`class_weight` must hold numbers >= 0"):
        FineTunedClassifier(class_weight=weights).fit(*draw())


def test_what_a_module_cannot_take_names_the_way_out():
    pictures = [np.zeros((5, 6, 3)), np.zeros((7, 4, 3))]
    with pytest.raises(ValueError, match="Make it by ImagePreprocessor"):
        FineTunedClassifier(nn.Flatten()).fit(pictures, [0, 1])
    with pytest.raises(ValueError, match="SentenceTokenizer"):
        FineTunedClassifier(nn.Flatten()).fit([["a"], ["b"]], [0, 1])
    with pytest.raises(TypeError, match=r"'PosixPath'\. A network .* in a pipeline"):
        FineTunedClassifier(nn.Flatten()).fit([PosixPath("a.png")] * 2, [0, 1])
    with pytest.raises(ValueError, match=r"or name a backbone"):
        FineTunedClassifier().fit(["a", "b"], [0, 1])
    with pytest.raises(ValueError, match=r"contains NaN") as seen:
        FineTunedClassifier(nn.Flatten()).fit([[np.nan], [1.0]], [0, 1])
    assert "Make it by" not in str(seen.value)
    for narrow in (nn.Linear(4, 2).bfloat16(), nn.Linear(4, 2).half()):
        with pytest.raises(ValueError, match=r"Pass backbone\.float\(\)"):
            FineTunedClassifier(narrow).fit(*draw())


def test_another_number_of_labels_is_refused():
    X, y = draw()
    model = FineTunedClassifier(linear()).partial_fit(X, np.c_[y, y, 1 - y])
    with pytest.raises(ValueError, match="y has 2 labels a row, after 3"):
        model.partial_fit(X, np.c_[y, y])


def test_features_that_do_not_fit_say_which_batch_size_to_try():
    class Greedy(nn.Linear):
        def forward(self, X):
            if len(X) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(X)

    X, _ = draw()
    with pytest.raises(MemoryError, match="Try batch_size=8"):
        PretrainedFeatures(Greedy(4, 2).double(), batch_size=16).fit_transform(X)


def test_scores_that_are_not_finite_are_an_error():
    X, y = draw()
    model = FineTunedClassifier(lr=1e300, optimizer="sgd", pretrain_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"not finite: its training diverged.* `lr`"):
        model.predict_proba(X)


def test_other_rates_by_block_forget_the_moments_and_learn_on():
    X, y = draw()
    given = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6)).double()
    model = FineTunedClassifier(given, lr=0.01, random_state=0).partial_fit(X, y)
    for _ in range(40):
        model.set_params(layer_decay=0.5).partial_fit(X, y)
    assert model.history_[-1]["train_loss"] < 0.8 * model.history_[0]["train_loss"]


def test_the_users_ctrl_c_is_no_early_stop(monkeypatch):
    """It may come while the best weights are copied, inside the early stopping."""

    def interrupted(self, net, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(EarlyStopping, "on_epoch_end", interrupted)
    X, y = draw()
    model = FineTunedClassifier(linear(), validation_fraction=0.25, patience=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
