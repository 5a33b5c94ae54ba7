"""One image, from whatever holds it, as red, green and blue pixels."""

from os import PathLike, fspath

import numpy as np

from sktransfer.deep.preprocessing._listed_rows import describe

__all__ = ["import_pillow", "read_image"]

ORIENTATION = 0x0112  # tag of EXIF


def import_pillow():
    """Return the module PIL.Image; say how to install it where it is missing."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "ImagePreprocessor needs Pillow, which is not installed. Install it with "
            '`pip install "sktransfer[vision]"`.'
        ) from error
    return Image


def read_image(item, channels="auto"):
    """Return the pixels of an image.

    Parameters
    ----------
    item : str, path-like, PIL image or array-like
        A file, or the image itself.
    channels : {"auto", "first", "last"}, default="auto"
        Where an array with three axes has its channels.

    Returns
    -------
    ndarray of shape (height, width, 3)
        uint8, or float32 in [0, 1] if the image has more than 8 bits.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no image, or a damaged one.
    """
    Image = import_pillow()
    if isinstance(item, str | PathLike):
        return _from_file(fspath(item), Image)
    if isinstance(item, Image.Image):
        return _from_pillow(item, Image)
    return _from_array(item, channels, Image)


def _from_file(path, Image):
    try:
        with Image.open(path) as image:
            return _from_pillow(image, Image)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {path!r}.") from error
    except MemoryError:
        raise
    except Exception as error:
        # Damaged files make Pillow raise nearly anything, even a SyntaxError.
        raise ValueError(
            f"the file {path!r} cannot be read as an image: {error}"
        ) from error


def _from_pillow(image, Image):
    from PIL import ImageOps

    # What is not yet loaded is loaded here; a damaged file raises an OSError.
    image.load()
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode.startswith("I"):
        return _from_16_bits(np.asarray(image))
    if mode == "F":
        return _three_channels(_checked_floats(np.asarray(image))[:, :, None])
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_white(image, Image)
    return np.asarray(image.convert("RGB"))


def _from_16_bits(values):
    # Pillow's own conversion cuts off what is above 255.
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:
        raise ValueError(
            "an image of whole numbers with more than 8 bits must lie in 0 to 65535, "
            f"got {low} to {high}. Scale it to floats in [0, 1]."
        )
    return _three_channels((values / 65535).astype(np.float32)[:, :, None])


def _on_white(image, Image):
    image = image.convert("LA").convert("RGBA") if image.mode == "La" else image
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"))


def _from_array(item, channels, Image):
    if isinstance(item, list | tuple) or hasattr(item, "__array__"):
        try:
            pixels = np.asarray(item)
        except ValueError:
            pixels = None
    else:
        pixels = None
    if pixels is None or pixels.ndim not in (2, 3) or pixels.dtype.kind in "OUSV":
        raise ValueError(
            "an image must be an array of shape (height, width), (height, width, "
            "channels) or (channels, height, width), a PIL image or the path of a "
            f"file, got {describe(item)}."
        )
    pixels = _channels_last(pixels, channels)
    if pixels.dtype == bool:
        pixels = np.where(pixels, np.uint8(255), np.uint8(0))
    if pixels.dtype == np.uint8:
        if pixels.shape[2] == 4:
            return _on_white(Image.fromarray(np.ascontiguousarray(pixels)), Image)
        return _three_channels(pixels)
    if pixels.dtype == np.uint16:
        pixels = (pixels / 65535).astype(np.float32)
    if pixels.dtype.kind != "f":
        raise ValueError(
            "the pixels of an array must be uint8 (0 to 255), uint16 (0 to 65535) or "
            f"floats in [0, 1], got {pixels.dtype}. Convert it with "
            "`.astype('uint8')` if it holds 0 to 255."
        )
    pixels = _checked_floats(pixels)
    if pixels.shape[2] == 4:
        opacity = pixels[:, :, 3:]
        pixels = pixels[:, :, :3] * opacity + (1 - opacity)
    return _three_channels(pixels)


def _channels_last(pixels, channels):
    if 0 in pixels.shape:
        raise ValueError(f"an image must have pixels, got shape {pixels.shape}.")
    if pixels.ndim == 2:
        return pixels[:, :, None]
    first, last = (pixels.shape[axis] in (1, 3, 4) for axis in (0, 2))
    if channels == "auto" and first and last:
        raise ValueError(
            f"an image of shape {pixels.shape} may have its channels first or last. "
            "Set `channels` to 'first' or 'last'."
        )
    use_first = first if channels == "auto" else channels == "first"
    if not (first if use_first else last):
        where = {"auto": "first or last", "first": "first", "last": "last"}[channels]
        raise ValueError(
            f"an image with three axes must have 1, 3 or 4 channels, {where}, got "
            f"shape {pixels.shape}."
        )
    return np.moveaxis(pixels, 0, 2) if use_first else pixels


def _checked_floats(pixels):
    low, high = pixels.min(), pixels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("the pixels must be finite, got NaN or inf.")
    if low < 0 or high > 1:
        raise ValueError(
            f"floats must lie in [0, 1], got {low:.6g} to {high:.6g}. Divide by 255 if "
            "they come from 8 bits, or scale and clip them."
        )
    return pixels.astype(np.float32, copy=False)


def _three_channels(pixels):
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
