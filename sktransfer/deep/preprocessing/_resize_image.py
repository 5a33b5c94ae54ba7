"""An image made a square of given size."""

import numpy as np
import torch
from torch.nn import functional

from sktransfer.deep.preprocessing._read_image import import_pillow

__all__ = ["resize_image"]


def resize_image(pixels, size, resize, interpolation):
    """Resize an image, and cut out the square in its middle.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3)
        uint8, or float32 in [0, 1].
    size : int
        Side of the square.
    resize : int or "stretch"
        Length of the shorter side before the square is cut out; "stretch" makes the
        whole image the square.
    interpolation : {"bilinear", "bicubic"}
        Smoothed where an image shrinks.

    Returns
    -------
    ndarray of shape (size, size, 3)
        In the type of the pixels. 8 bits are rounded as Pillow does, floats computed
        as torchvision does for tensors.
    """
    height, width = pixels.shape[:2]
    new = (size, size)
    if resize != "stretch":
        short = min(height, width)
        # Truncated, as in torchvision.
        new = tuple(
            resize if side == short else int(resize * side / short)
            for side in (height, width)
        )
    resized = _resized(pixels, *new, interpolation)
    top, left = (round((side - size) / 2) for side in new)
    return resized[top : top + size, left : left + size]


def _resized(pixels, height, width, interpolation):
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.dtype == np.uint8:
        Image = import_pillow()
        image = Image.fromarray(np.ascontiguousarray(pixels))
        method = Image.Resampling[interpolation.upper()]
        return np.asarray(image.resize((width, height), method))
    # In one layout, so that the last digits do not depend on how the image came.
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    resized = functional.interpolate(
        planes[None], (height, width), mode=interpolation, antialias=True
    )
    # Bicubic overshoots at edges; 8 bits cannot.
    return resized[0].clamp(0, 1).permute(1, 2, 0).numpy()
