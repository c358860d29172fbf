"""The true objects of an image, as data sets store them: [H, W] int32, 0 no object, -1 ignored, else its number."""

# Shapes: H W pixels

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seglight.data.decode import read_mask

IDS_FROM = 1000  # Cityscapes: label id * 1000 + number; below are label ids, of which those with objects are groups


def voc(path: Path) -> NDArray[np.int32]:
    """SegmentationObject: palette indices are the numbers, 255 is ignored (Everingham et al. 2010)."""
    ids = read_mask(path).astype(np.int32)
    return np.where(ids == 255, -1, ids)


def cityscapes(path: Path, with_objects: range) -> NDArray[np.int32]:
    """gtFine_instanceIds; a group whose objects are not told apart is ignored (Cordts et al. 2016)."""
    ids = read_mask(path).astype(np.int32)
    groups = np.isin(ids, list(with_objects))
    return np.where(ids >= IDS_FROM, ids, np.where(groups, -1, 0)).astype(np.int32)


def components(there: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Each connected region (four neighbours) is an object."""
    return np.asarray(ndimage.label(there)[0], np.int32)
