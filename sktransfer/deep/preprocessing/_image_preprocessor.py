from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from sktransfer._validation import check_choice, check_integer
from sktransfer.deep.preprocessing._listed_rows import check_listed
from sktransfer.deep.preprocessing._read_image import import_pillow, read_image
from sktransfer.deep.preprocessing._resize_image import resize_image

__all__ = ["ImagePreprocessor"]

KIND = "an image (array, PIL image or path)"


class ImagePreprocessor(TransformerMixin, BaseEstimator):
    """Images of any kind and size as one array for a pretrained network.

    Every image is made red, green and blue, resized, cut to a square, and
    standardised, as the network saw images when it was trained. The defaults are those
    of torchvision's networks for ImageNet: the shorter side becomes 256 pixels, the
    middle 224 x 224 are kept.

    A row is an array, a PIL image, or the path of a file; X is a list, an object array
    or a Series of them, or one array with four axes. Arrays are uint8, uint16 (0 to
    65535), or floats in [0, 1], grey (1 channel, or no axis of channels), RGB (3) or
    RGBA (4). Transparent images are laid on white, and photographs are turned upright
    as their EXIF data say. Only one file is decoded at a time.

    Assumes nothing of the domains: a row depends on its image alone. Reads no labels.

    Cost: decoding and resizing, a few milliseconds for each photograph. It hurts where
    `mean`, `std` or `resize` are not what the network was trained with.

    Parameters
    ----------
    size : int, default=224
        Height and width of the result, in pixels.
    resize : int, "stretch" or None, default=None
        Length in pixels of the shorter side, proportions kept, before the square is
        cut out of the middle; at least `size`. None: ``size / 0.875``, which is 256 for
        224. "stretch": the whole image becomes the square, proportions not kept.
    mean : float or sequence of 3 floats, default=(0.485, 0.456, 0.406)
        What is subtracted from red, green and blue, where white is 1.
    std : float or sequence of 3 floats, default=(0.229, 0.224, 0.225)
        What they are divided by afterwards.
    interpolation : {"bilinear", "bicubic"}, default="bilinear"
        How it is resized; smoothed where an image shrinks.
    channels : {"auto", "first", "last"}, default="auto"
        Where an image with three axes has its channels. "auto": the first or last axis,
        whichever has 1, 3 or 4 entries; it is an error if both or neither has.

    See Also
    --------
    PretrainedFeatures : What a network makes of such images.

    Notes
    -----
    With v the resized image in [0, 1], the result is ``(v - mean) / std`` channel by
    channel. 8-bit images are resized by Pillow, hence equal torchvision's transforms
    of PIL images; floats are resized by torch, hence equal torchvision's transforms of
    float tensors, clipped to [0, 1] after "bicubic". Nothing is fitted.

    Some networks want ``(pixel - 127) / 128`` of the whole image, EfficientNet-Lite
    for example: ``ImagePreprocessor(resize="stretch", mean=127 / 255, std=128 / 255,
    interpolation="bicubic")``.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.deep import ImagePreprocessor
    >>> grey = np.zeros((40, 30), dtype=np.uint8)
    >>> colour = np.full((50, 60, 3), 255, dtype=np.uint8)
    >>> images = ImagePreprocessor(size=32).fit_transform([grey, colour])
    >>> images.shape, images.dtype
    ((2, 3, 32, 32), dtype('float32'))
    >>> images[:, :, 0, 0].round(2)
    array([[-2.12, -2.04, -1.8 ],
           [ 2.25,  2.43,  2.64]], dtype=float32)
    """

    def __init__(
        self,
        size=224,
        *,
        resize=None,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        interpolation="bilinear",
        channels="auto",
    ):
        self.size = size
        self.resize = resize
        self.mean = mean
        self.std = std
        self.interpolation = interpolation
        self.channels = channels

    def _check_params(self):
        """Validate; return `resize`, `mean` and `std` as they are used."""
        check_integer("size", self.size, low=1)
        check_choice("interpolation", self.interpolation, ("bilinear", "bicubic"))
        check_choice("channels", self.channels, ("auto", "first", "last"))
        also = ("stretch", None)
        resize = check_integer("resize", self.resize, low=self.size, also=also)
        if resize is None:
            resize = int(self.size / 0.875)
        mean = _per_channel("mean", self.mean)
        std = _per_channel("std", self.std)
        if std.min() <= 0:
            raise ValueError(f"`std` must be positive, got {self.std!r}.")
        import_pillow()
        return resize, mean, std

    def fit(self, X, y=None):
        """Validate the parameters; nothing is learned.

        Parameters
        ----------
        X : array-like of images, or of shape (n_samples, ...)
            Images; they are not looked at.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        self._check_params()
        _check_images(X)
        return self

    def transform(self, X):
        """Return the images as one array.

        Parameters
        ----------
        X : array-like of images
            Arrays, PIL images or paths, of any sizes.

        Returns
        -------
        ndarray of shape (n_samples, 3, size, size)
            float32.

        Raises
        ------
        FileNotFoundError
            If a file is missing; the message names the first such row.
        ValueError
            If a row is no image; the message names the first such row.
        """
        resize, mean, std = self._check_params()
        X = _check_images(X)
        images = np.empty((len(X), 3, self.size, self.size), dtype=np.float32)
        # The 256 values that 8 bits can have, per channel.
        table = standardized(np.arange(256)[:, None], 255 * mean, 255 * std).T
        for row, item in enumerate(X):
            try:
                pixels = read_image(item, self.channels)
            except FileNotFoundError as error:
                raise FileNotFoundError(f"In row {row} of X, {error}") from error
            except (ValueError, OSError) as error:
                raise ValueError(f"In row {row} of X, {error}") from error
            pixels = resize_image(pixels, self.size, resize, self.interpolation)
            if pixels.dtype == np.uint8:
                for channel in range(3):
                    images[row, channel] = table[channel][pixels[:, :, channel]]
            else:
                images[row] = standardized(pixels, mean, std).transpose(2, 0, 1)
        return images

    def __sklearn_is_fitted__(self):
        """Nothing is learned, so it always is."""
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # As PatchExtractor: scikit-learn's checks pass tables of numbers.
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.requires_fit = False
        return tags


def standardized(values, mean, std):
    """Return values as float32, less `mean`, over `std`."""
    return ((values - mean) / std).astype(np.float32)


def _per_channel(name, value):
    numbers = np.atleast_1d(np.asarray(value, dtype=object))
    ok = numbers.shape in ((1,), (3,)) and all(
        isinstance(number, Real) and np.isfinite(number) for number in numbers
    )
    if not ok:
        raise ValueError(
            f"`{name}` must be a finite number or three of them (red, green, blue; "
            f"white is 1), got {value!r}."
        )
    return np.broadcast_to(numbers.astype(np.float64), 3)


def _check_images(X):
    X = check_listed(X, KIND)
    shape = getattr(X, "shape", (len(X),))
    if len(shape) not in (1, 4):
        raise ValueError(
            "An array of images must have four axes, (n, height, width, channels) or "
            f"(n, channels, height, width), got shape {tuple(shape)}. Give grey images "
            "an axis of channels, X[:, None], a single image an axis of rows, X[None], "
            "and pass one column of paths, X[:, 0]."
        )
    return X
