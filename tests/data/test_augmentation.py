"""Augmentation moves image and mask together, keeps labels labels, and repeats exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import albumentations
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seglight.data.augmentation import Augmentation
from seglight.data.elastic import ElasticGrid
from seglight.data.scale_crop import RandomScaleCrop
from tests.data.conftest import labels, picture

OPTIONS = ["none", "light", "standard", "fcn", "unet", "strong", "torchvision"]


def coded(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Blocks of labels, and an image whose grey value is ten times the label."""
    mask = labels(height, width, 21, seed=1)
    mask[0] = mask[1]
    return np.repeat(mask[..., None] * np.uint8(10), 3, axis=2), mask


def disagreement(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """The share of labelled pixels, away from label borders, whose grey value is not ten times their label."""
    edges = cv2.dilate(mask, np.ones((5, 5), np.uint8)) != cv2.erode(mask, np.ones((5, 5), np.uint8))
    inside = ~edges & (mask != 255)
    return float((np.abs(image[..., 0].astype(int) - 10 * mask.astype(int)) > 2)[inside].mean())


@pytest.mark.parametrize(
    "transform",
    [
        RandomScaleCrop(64, (0.5, 2.0)),
        RandomScaleCrop((50, 90), (0.3, 0.5)),
        RandomScaleCrop(64, short_side=(40, 200)),
        RandomScaleCrop(160, (0.9, 1.1), mirror=True),
        ElasticGrid(),
        albumentations.Affine(rotate=(-30, 30), p=1),
        albumentations.HorizontalFlip(p=1),
    ],
)
def test_image_and_mask_move_together(transform: Any) -> None:
    augment = Augmentation(transform)
    image, mask = coded(120, 100)
    for index in range(20):
        moved = augment(image, mask, (0, 0, index))
        assert moved[0].shape[:2] == moved[1].shape
        assert set(np.unique(moved[1])) <= {*np.unique(mask), 255}
        assert disagreement(*moved) < 0.02


def test_the_crop_equals_scaling_everything_and_cropping() -> None:
    """The same window of the same pixels, up to interpolation at the crop's border."""
    image = picture(300, 400)
    transform = RandomScaleCrop(96, (0.5, 2.0))
    pipeline = albumentations.Compose([transform])
    for seed in range(8):
        pipeline.set_random_seed(seed)
        out = pipeline(image=image)["image"]
        top, left, bottom, _ = transform.params["window"]
        factor = 96 / (bottom - top)
        whole = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        y, x = round(top * factor), round(left * factor)
        expected = whole[y : y + 96, x : x + 96][4:-6, 4:-6]
        assert np.abs(out[4:-6, 4:-6].astype(int) - expected.astype(int)).mean() < 3


@pytest.mark.parametrize("height", [1, 3, 50, 700])
@pytest.mark.parametrize("width", [1, 64])
def test_any_size_becomes_the_crop(height: int, width: int) -> None:
    augment = Augmentation(RandomScaleCrop((64, 48)))
    for index in range(10):
        image, mask = augment(picture(height, width), np.zeros((height, width), np.uint8), (0, 0, index))
        assert image.shape == (64, 48, 3)
        assert mask.shape == (64, 48)
        assert set(np.unique(mask)) <= {0, 255}
        assert (image[mask == 255] == (124, 116, 104)).all()


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_repeats(make_data: Callable[..., Any], option: str) -> None:
    data = make_data("data=shapes", f"augment={option}", "data.crop_size=64")
    dataset = data.dataset("train", train=True)
    for key in ((0, 3), (1, 3)):
        one, again = dataset[key], dataset[key]
        np.testing.assert_array_equal(one.image, again.image)
        np.testing.assert_array_equal(one.mask, again.mask)
        assert one.image.dtype == one.mask.dtype == np.uint8
        assert set(np.unique(one.mask)) <= {*range(9), 255}
        assert one.mask.shape == {"none": (96, 96), "fcn": (96, 96), "torchvision": (480, 480)}.get(option, (64, 64))
    changed = not np.array_equal(dataset[0, 3].image, dataset[1, 3].image)
    assert changed == (option not in ("none", "fcn"))


def test_any_albumentations_pipeline_by_target(make_data: Callable[..., Any]) -> None:
    listed = (
        "data.augment=[{_target_: albumentations.RandomCrop, height: 32, width: 40},"
        "{_target_: albumentations.OneOf, transforms: [{_target_: albumentations.Transpose, p: 1},"
        "{_target_: albumentations.Blur, p: 1}]}]"
    )
    sample = make_data("data=shapes", listed).dataset("train", train=True)[0]
    assert sample.image.shape[:2] in ((32, 40), (40, 32))
    one = make_data("data=shapes", "data.augment={_target_: albumentations.VerticalFlip, p: 1.0}")
    data = one.dataset("train", train=True)
    plain = one.dataset("train")
    np.testing.assert_array_equal(data[0].mask, plain[0].mask[::-1])


def test_what_is_filled_into_a_mask_is_ignored() -> None:
    inner = albumentations.PadIfNeeded(20, 20, border_mode=cv2.BORDER_CONSTANT)
    augment = Augmentation([albumentations.OneOf([inner], p=1)])
    _, mask = augment(picture(10, 10), np.zeros((10, 10), np.uint8), (0, 0, 0))
    assert (mask == 255).sum() == 300


def test_masks_are_not_interpolated() -> None:
    with pytest.raises(ValueError, match="Affine has mask_interpolation=1; expected 0"):
        Augmentation(albumentations.Affine(rotate=10, mask_interpolation=cv2.INTER_LINEAR))
    with pytest.raises(ValueError, match="augment is int; expected an albumentations transform"):
        Augmentation(5)


def test_rare_class_crops_hold_the_class(make_data: Callable[..., Any]) -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[150:153, 20:23] = 4
    share = {}
    for rare in ((), (4, 7)):
        augment = Augmentation(RandomScaleCrop(32, (0.5, 2.0), rare_classes=rare, rare_p=1.0))
        found = [(augment(picture(200, 200), mask, (0, 0, index))[1] == 4).any() for index in range(100)]
        share[rare] = np.mean(found)
    assert share[()] < 0.2
    assert share[4, 7] > 0.95
    named = make_data("data=shapes", "data.rare_classes=[star, 2]")
    assert next(iter(named.augment.pipeline.transforms)).rare_classes == (6, 2)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("[{_target_: albumentations.Normalize}]", "Normalize has to be left out: .* the network normalises itself"),
        ("[{_target_: albumentations.ToFloat}]", "ToFloat has to be left out"),
        ("[{_target_: albumentations.pytorch.ToTensorV2}]", "ToTensorV2 has to be left out"),
        ("[{_target_: albumentations.OneOf, transforms: [{_target_: albumentations.Normalize}]}]", "Normalize has to"),
    ],
)
def test_what_the_network_does_itself_is_refused(make_data: Callable[..., Any], listed: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"data.augment: {message}"):
        make_data("data=shapes", f"data.augment={listed}")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_transform_that_fails_is_named_with_the_size_of_the_image(
    make_data: Callable[..., Any], workers: int
) -> None:
    crop = "data.augment=[{_target_: albumentations.RandomCrop, height: 256, width: 256}]"
    grey = "data.augment=[{_target_: albumentations.ToGray, num_output_channels: 1, p: 1}]"
    for listed, message in (
        (crop, "fails on an image of 96 x 96: .*exceed"),
        (grey, r"makes uint8 \[96, 96\] with a mask"),
    ):
        data = make_data("data=shapes", listed, f"data.num_workers={workers}")
        with pytest.raises(ValueError, match=f"^data.augment {message}") as error:
            next(iter(data.train_dataloader()))
        assert "\n" not in str(error.value)


def test_a_crop_larger_than_the_images_is_padded_and_says_so(
    make_data: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    make_data("data=shapes", "data.crop_size=96").train_dataloader()
    assert caplog.text == ""
    batch = next(iter(make_data("data=shapes", "data.crop_size=[120,256]", "data.scale=[1,1]").train_dataloader()))
    assert "data.crop_size=[120, 256] is larger than the images (96 x 96): what is missing is padded" in caplog.text
    assert (batch["mask"] == 255).sum() == 2 * (120 * 256 - 96 * 96)


def test_elastic_displacements_have_the_papers_size() -> None:
    transform = ElasticGrid(points=3, sd=10.0, rotate=0.0)
    pipeline = albumentations.Compose([transform])
    moves = []
    for seed in range(30):
        pipeline.set_random_seed(seed)
        pipeline(image=picture(90, 90))
        columns = np.arange(90, dtype=np.float32)[None]
        moves.append((transform.params["map_x"] - columns)[15::30, 15::30])  # at the grid's points
    assert 8 < np.std(moves) < 12
