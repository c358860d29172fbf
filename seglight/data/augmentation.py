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

from seglight.data.labels import IGNORE_INDEX

NEAREST = (cv2.INTER_NEAREST, cv2.INTER_NEAREST_EXACT)


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
            keep_labels(transform)
            name_classes(transform, classes)
        self.pipeline = transforms

    def __call__(
        self, image: NDArray[np.uint8], mask: NDArray[np.uint8], key: tuple[int, int, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image [H, W, 3] and mask [H, W], drawn from the key (seed, epoch, index)."""
        generator = np.random.default_rng(key)
        self.pipeline.set_random_state(generator, random.Random(int(generator.integers(2**63))))
        out = self.pipeline(image=image, mask=mask)
        return out["image"], out["mask"]


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


def name_classes(transform: Any, classes: Sequence[str]) -> None:
    """Classes that a transform is told by name become their indices."""
    named = getattr(transform, "rare_classes", ())
    for name in (name for name in named if isinstance(name, str) and name not in classes):
        raise ValueError(f"rare_classes has {name!r}; expected one of {', '.join(classes)}")
    if named:
        transform.rare_classes = tuple(classes.index(name) if isinstance(name, str) else int(name) for name in named)


def keep_labels(transform: Any) -> None:
    """What a transform fills into a mask is ignored, and masks are never interpolated between labels."""
    if getattr(transform, "fill_mask", None) == 0:
        transform.fill_mask = IGNORE_INDEX
    if getattr(transform, "mask_interpolation", cv2.INTER_NEAREST) not in NEAREST:
        raise ValueError(
            f"augment: {type(transform).__name__} has mask_interpolation={transform.mask_interpolation}; expected "
            f"{cv2.INTER_NEAREST} (nearest): any other one invents labels between two classes"
        )
