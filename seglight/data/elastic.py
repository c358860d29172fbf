"""The U-Net paper's deformation: smooth displacements from a coarse grid, and rotation, in one warp."""

# Shapes: H W pixels, N grid points a side

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from albumentations import DualTransform
from numpy.typing import NDArray


class ElasticGrid(DualTransform):  # type: ignore[misc]
    """Displacements of an N x N grid, normal with `sd` pixels, interpolated bicubically (Ronneberger et al. 2015, 3.1).

    Rotates by up to `rotate` degrees in the same step; what comes from outside is mirrored, image and mask alike.
    """

    def __init__(self, points: int = 3, sd: float = 10.0, rotate: float = 180.0, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.points, self.sd, self.rotate = points, sd, rotate

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Where each pixel comes from: two maps [H, W]."""
        height, width = params["shape"][:2]
        coarse = self.random_generator.normal(0.0, self.sd, (self.points, self.points, 2)).astype(np.float32)
        shift = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, 2)
        angle = np.deg2rad(self.py_random.uniform(-self.rotate, self.rotate))
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
        map_x = np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2 + shift[..., 0]
        map_y = np.sin(angle) * x + np.cos(angle) * y + (height - 1) / 2 + shift[..., 1]
        return {"map_x": map_x.astype(np.float32), "map_y": map_y.astype(np.float32)}

    def apply(self, img: NDArray[Any], **params: Any) -> NDArray[Any]:
        return self.warp(img, params, cv2.INTER_LINEAR)

    def apply_to_mask(self, mask: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        return self.warp(mask, params, cv2.INTER_NEAREST)

    def warp(self, source: NDArray[Any], params: dict[str, Any], interpolation: int) -> NDArray[Any]:
        """Each pixel from where the maps say."""
        maps = params["map_x"], params["map_y"]
        warped = cv2.remap(source, *maps, interpolation, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(warped).reshape(source.shape)  # OpenCV drops a single channel
