"""Augmentations with finitely many outcomes an image: which of them a draw gives, told without touching the image."""

from __future__ import annotations

import copy

import albumentations as A
import numpy as np

from seglight.data.augmentation import Augmentation, leaves

FIXED = (A.NoOp, A.Resize, A.CenterCrop, A.PadIfNeeded)  # the same outcome every time
FLIPS = (A.HorizontalFlip, A.VerticalFlip, A.Transpose, A.RandomRotate90, A.D4, A.SquareSymmetry)
PROBE = np.arange(9, dtype=np.uint8).reshape(3, 3)  # looks different after each of the eight symmetries
COLOUR_PROBE = np.stack([PROBE] * 3, 2)


class Variants:
    """`variants(key)` names the outcome that `augment` gives an image under a key (seed, epoch, index).

    ValueError where the outcomes are not finitely many: fixed transforms, then flips and quarter turns, are allowed.
    """

    def __init__(self, augment: Augmentation | None) -> None:
        self.count = 1  # outcomes an image, at most
        self.probe: Augmentation | None = None
        if augment is None:
            return
        transforms = list(augment.pipeline.transforms)
        if type(augment.pipeline) is not A.Compose or transforms != list(leaves(augment.pipeline)):
            raise ValueError("a plain list of transforms is needed: no OneOf, nor one Compose in another")
        for transform in transforms:
            if type(transform) not in FIXED + FLIPS or (type(transform) in FIXED and not always_the_same(transform)):
                raise ValueError(f"{type(transform).__name__} has more outcomes than can be kept")
        flips = [type(t) in FLIPS for t in transforms]
        if flips != sorted(flips):
            raise ValueError("fixed transforms come first, flips and quarter turns after them")
        kinds = {type(t) for t in transforms if type(t) in FLIPS}
        if kinds:
            alone = len(kinds) == 1 and kinds <= {A.HorizontalFlip, A.VerticalFlip, A.Transpose}
            self.count = 2 if alone else 4 if kinds == {A.HorizontalFlip, A.VerticalFlip} else 8
            # a fixed transform draws one number, to find that it applies: so does its stand-in
            stand_in = [copy.deepcopy(t) if type(t) in FLIPS else A.NoOp(p=1.0) for t in transforms]
            self.probe = Augmentation(A.Compose(stand_in))

    def __call__(self, key: tuple[int, int, int]) -> bytes:
        if self.probe is None:
            return b""
        image, _ = self.probe(COLOUR_PROBE, PROBE, key)
        return image[..., 0].tobytes()


def always_the_same(transform: A.BasicTransform) -> bool:
    """Whether a fixed transform is told to act on every image, and not at a random place."""
    places = [getattr(transform, name, "center") for name in ("position", "pad_position")]
    return transform.p == 1.0 and "random" not in [str(getattr(place, "value", place)) for place in places]
