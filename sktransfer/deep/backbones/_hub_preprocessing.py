"""How models of the Hugging Face hub want images and sound prepared."""

import json

__all__ = ["audio_settings", "image_settings"]

_BILINEAR = 2  # as Pillow counts


def image_settings(transformers, name):
    """Return the settings of an `ImagePreprocessor`.

    Parameters
    ----------
    transformers : module
        The package.
    name : HubName
        The model.

    Returns
    -------
    dict or None
        None if a folder says nothing about it: then arrays are taken as they are.
    """
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            name.where, local_files_only=name.is_folder, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        if name.is_folder:
            return None
        raise _missing(name, "preprocessor_config.json of its images") from error
    found = processor.to_dict()
    size, stretched = _side(found["size"])
    resize = "stretch" if stretched else size
    if found.get("do_center_crop") and found.get("crop_size"):
        crop, _ = _side(found["crop_size"])
        # To stretch and then to cut is more than the preprocessor does.
        resize = "stretch" if stretched and size == crop else size
        size = crop
    elif found.get("crop_pct") and size < 384:
        # ConvNeXt: small images are cut out of larger ones, large ones are stretched.
        resize = int(size / found["crop_pct"])
    elif found.get("crop_pct"):
        resize = "stretch"
    normalizes = found.get("do_normalize", True)
    is_bilinear = found.get("resample") == _BILINEAR
    return {
        "size": size,
        "resize": resize,
        "mean": list(found["image_mean"]) if normalizes else 0.0,
        "std": list(found["image_std"]) if normalizes else 1.0,
        "interpolation": "bilinear" if is_bilinear else "bicubic",
    }


def _side(size):
    """Return the side of a square, and whether images are stretched to it."""
    if "shortest_edge" in size:
        return size["shortest_edge"], False
    if size.get("height") != size.get("width"):
        raise ValueError(
            f"The network takes images of {size}; only square ones can be prepared. "
            "Pass the network itself as `backbone`."
        )
    return size["height"], True


def audio_settings(transformers, name):
    """Return the settings of a model's feature extractor, as JSON takes them.

    Parameters
    ----------
    transformers : module
        The package.
    name : HubName
        The model.

    Returns
    -------
    dict
    """
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(
            name.where, local_files_only=name.is_folder, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _missing(name, "preprocessor_config.json of its sound") from error
    return json.loads(extractor.to_json_string())


def _missing(name, what):
    return ValueError(
        f"{name.where} lacks the {what}, or it could not be read. Save it beside the "
        "weights: AutoImageProcessor or AutoFeatureExtractor .from_pretrained(...)"
        ".save_pretrained(folder)."
    )
