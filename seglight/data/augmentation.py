"""An albumentations pipeline whose randomness comes from (seed, epoch, sample) and whose masks stay labels."""

# Shapes: H W pixels

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from albumentations import BaseCompose, BasicTransform, Compose
from numpy.typing import NDArray

from seglight.data.deep_images import adapted
from seglight.data.settings import class_indices
from seglight.ignore import IGNORE_INDEX

NEAREST = (cv2.INTER_NEAREST, cv2.INTER_NEAREST_EXACT)


class AugmentationError(ValueError):
    """A transform failed on an image, or made of it what no image is."""


class Augmentation:
    """Applies `transforms` to image and mask together; the same key gives the same result in any process."""

    def __init__(self, transforms: Any, classes: Sequence[str] = ()) -> None:
        if isinstance(transforms, Sequence):
            transforms = Compose(list(transforms))
        if isinstance(transforms, BasicTransform):
            transforms = Compose([transforms])
        if not isinstance(transforms, BaseCompose):
            raise ValueError(
                f"augment is {type(transforms).__name__}; expected an albumentations transform, a list of them, "
                "a Compose, or null"
            )
        for transform in leaves(transforms):
            refuse_normalising(transform)
            keep_labels(transform)
            if classes and getattr(transform, "rare_classes", ()):
                transform.rare_classes = class_indices(transform.rare_classes, classes)
        self.pipeline = transforms
        self.adapted: dict[tuple[int, bool], Any] = {}  # for other images than RGB of uint8

    def has(self, name: str) -> bool:
        """Whether one of its transforms has an attribute of that name."""
        return any(hasattr(transform, name) for transform in leaves(self.pipeline))

    def crops_to(self, size: tuple[int, int]) -> bool:
        """Whether one of its transforms makes (h, w) of every image."""
        return any(getattr(transform, "size", None) == size for transform in leaves(self.pipeline))

    def __call__(
        self, image: NDArray[Any], mask: NDArray[np.uint8], key: tuple[int, int, int]
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image [H, W, C] and mask [H, W], drawn from the key (seed, epoch, index). AugmentationError, in one line.

        float32 images, 0 to 255, are 0 to 1 to the transforms, which take them for that.
        """
        generator = np.random.default_rng(key)
        whole, channels = image.dtype == np.uint8, image.shape[2]
        pipeline = self.pipeline if whole and channels == 3 else self.pipeline_for(channels, whole)
        pipeline.set_random_state(generator, random.Random(int(generator.integers(2**63))))
        size = f"an image of {image.shape[1]} x {image.shape[0]}"
        try:
            out = pipeline(image=image if whole else image * np.float32(1 / 255), mask=mask)
        except Exception as error:
            raise AugmentationError(f"data.augment fails on {size}: {' '.join(str(error).split())}") from error
        made, labels = out["image"], out["mask"]
        if made.ndim == 2 and channels == 1:
            made = made[..., None]
        if made.dtype != image.dtype or made.shape[2:] != (channels,) or labels.shape != made.shape[:2]:
            raise AugmentationError(
                f"data.augment makes {made.dtype} {list(made.shape)} with a mask {list(labels.shape)} of {size}; "
                f"{image.dtype} [H, W, {channels}] and [H, W] are needed"
            )
        return made if whole else (made * np.float32(255)).clip(0, 255), labels

    def pipeline_for(self, channels: int, whole: bool) -> Any:
        """The pipeline as other images than RGB of uint8 need it."""
        if (channels, whole) not in self.adapted:
            self.adapted[channels, whole] = adapted(self.pipeline, channels, 1.0 if whole else 1 / 255)
        return self.adapted[channels, whole]


def augmentation(transforms: Any, classes: Sequence[str] = ()) -> Augmentation | None:
    """None where nothing would be changed, so that it costs nothing either."""
    if transforms is None or transforms == "none" or (isinstance(transforms, Sequence) and not transforms):
        return None
    made = Augmentation(transforms, classes)
    return made if any(leaves(made.pipeline)) else None


def leaves(transform: Any) -> Iterator[Any]:
    """Every transform of a pipeline, nested ones included."""
    if isinstance(transform, BaseCompose):
        for child in transform.transforms:
            yield from leaves(child)
    else:
        yield transform


def refuse_normalising(transform: Any) -> None:
    """ValueError for what would turn pixels into other numbers than 0 to 255."""
    name = type(transform).__name__
    if name in ("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D"):
        raise ValueError(
            f"data.augment: {name} has to be left out: images stay uint8, 0 to 255, and the network normalises itself"
        )


def keep_labels(transform: Any) -> None:
    """What a transform fills into a mask is ignored, and masks are never interpolated between labels."""
    if getattr(transform, "fill_mask", None) == 0:
        transform.fill_mask = IGNORE_INDEX
    if getattr(transform, "mask_interpolation", cv2.INTER_NEAREST) not in NEAREST:
        raise ValueError(
            f"augment: {type(transform).__name__} has mask_interpolation={transform.mask_interpolation}; expected "
            f"{cv2.INTER_NEAREST} (nearest): any other one invents labels between two classes"
        )
