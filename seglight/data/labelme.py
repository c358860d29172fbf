"""labelme's annotations: a JSON file an image, with polygons, rectangles, circles and masks."""

# Shapes: H W pixels

from __future__ import annotations

import base64
import io
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seglight.data.annotated import Annotated, Outline, encoded, file_name, found, read_json, size_of

log = logging.getLogger(__name__)

IGNORED = "__ignore__"  # labelme's name for what is not scored
THIN = ("line", "linestrip", "point", "points")  # these have no area
KEYS = ("shapes", "imagePath", "imageHeight", "imageWidth")


def read_labelme(source: Path, images: Path | None = None) -> tuple[list[str], list[Annotated]]:
    """The classes by name, and the images, of a JSON file or of all below a folder. images: where their files are.

    An image whose file is not there is taken from the JSON where that holds it. ValueError or FileNotFoundError
    names the JSON file that is wrong.
    """
    files = sorted(source.rglob("*.json")) if source.is_dir() else [source]
    files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise FileNotFoundError(f"source={source}: no *.json below it; expected labelme's, one an image")
    root, thin = source if source.is_dir() else source.parent, Counter[str]()
    there = [read_one(path, root, images, thin) for path in files]
    if thin:
        text = ", ".join(f"{count} of the kind {kind}" for kind, count in thin.items())
        log.warning("shapes without an area are left out: %s", text)
    labels = {outline.label for one in there for outline in one.outlines if outline.label is not None}
    return sorted(labels), there


def read_one(path: Path, root: Path, images: Path | None, thin: Counter[str]) -> Annotated:
    """One file. Counts in `thin` what encloses no pixels."""
    content = read_json(path)
    if isinstance(content, Mapping) and "annotations" in content:
        raise ValueError(f"{path}: a file of COCO; format=coco reads it")
    missing = [key for key in KEYS if not isinstance(content, Mapping) or content.get(key) is None]
    if missing:
        raise ValueError(f"{path}: no {missing[0]}; expected a file of labelme")
    size = size_of(content["imageHeight"], content["imageWidth"], str(path))
    text = file_name(content["imagePath"], "imagePath", str(path))
    if not isinstance(content["shapes"], list):
        raise ValueError(f"{path}: its shapes are no list")
    outlines = []
    for number, shape in enumerate(content["shapes"], 1):
        where = f"{path}: shape {number}"
        if not isinstance(shape, Mapping) or not {"label", "points"} <= shape.keys():
            raise ValueError(f"{where}: expected a label and points")
        kind = shape.get("shape_type") or "polygon"
        if kind in THIN:
            thin[kind] += 1
            continue
        label = None if shape["label"] == IGNORED else str(shape["label"])
        outlines.append(Outline(label, segmentation(kind, shape, size, where), where))
    file = found(text, images if images is not None else path.parent)
    if file is None and not content.get("imageData"):
        raise FileNotFoundError(
            f"{path.parent / text}: no such image ({path} names it); images=FOLDER says where it is"
        )
    name = str(path.relative_to(root).with_suffix("")).replace("\\", "/")
    suffix = Path(text.replace("\\", "/")).suffix
    return Annotated(path if file is None else file, name, size, outlines, suffix, embedded=file is None)


def segmentation(kind: str, shape: Mapping[str, Any], size: tuple[int, int], where: str) -> Any:
    """A shape's pixels in COCO's form."""
    try:
        points = np.array(shape["points"], np.float64).reshape(-1, 2)
        if kind == "polygon":
            return [points.reshape(-1).tolist()]
        (x, y), (right, low) = points
        if kind == "rectangle":
            return [[x, y, right, y, right, low, x, low]]
        rows, columns = np.ogrid[: size[0], : size[1]]
        if kind == "circle":  # its centre, and a point on it
            return encoded(np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= np.hypot(right - x, low - y))
        if kind == "mask":
            return encoded(placed(shape["mask"], round(x), round(y), size))
    except (ValueError, TypeError, KeyError, OSError, OverflowError) as error:
        raise ValueError(f"{where}: no {kind} ({error})") from None
    raise ValueError(f"{where}: the kind {kind}; expected polygon, rectangle, circle or mask")


def placed(content: str, left: int, top: int, size: tuple[int, int]) -> Any:
    """A mask [H, W] of a small one, a PNG in text, whose corner lies there."""
    with Image.open(io.BytesIO(base64.b64decode(content)), formats=["PNG"]) as image:
        small = np.array(image) != 0
    mask = np.zeros(size, bool)  # of a small one that leads out of the image the inside counts
    inside = small[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    top, left = max(0, top), max(0, left)
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return mask


def embedded_image(path: Path) -> bytes:
    """The image file that a JSON file holds."""
    try:
        return base64.b64decode(read_json(path)["imageData"], validate=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: imageData cannot be read ({error})") from None
