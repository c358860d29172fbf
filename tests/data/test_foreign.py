"""Another project's data module trains as it is; what its batches have wrong is said in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset

import seglight
from seglight.config import resolve
from seglight.data.foreign import Foreign
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK

MakeData = Callable[..., Any]


class TheirData(LightningDataModule):
    """Another project's data module: tuples, no names, nothing of ours."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.size = size

    def loader(self) -> Any:
        images = torch.full((4, 3, self.size, self.size), 100.0)
        masks = torch.arange(4 * self.size**2).reshape(4, self.size, self.size) % 3
        return DataLoader(list(zip(images, masks, strict=True)), batch_size=2)

    train_dataloader = val_dataloader = loader


class Endless(IterableDataset[Any]):
    """Six samples, which do not say how many they are."""

    def __iter__(self) -> Iterator[Any]:
        for number in range(6):
            yield torch.full((3, 32, 32), number, dtype=torch.uint8), torch.full((32, 32), number % 3)


class TheirStream(LightningDataModule):
    def loader(self) -> Any:
        return DataLoader(Endless(), batch_size=2)

    train_dataloader = val_dataloader = loader


def test_another_projects_data_module(tmp_path: Path, make_data: MakeData) -> None:
    data = Foreign(TheirData(), num_classes=3)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (2, 3, 8, 8)
    assert batch["name"] == ["000000", "000001"]
    assert data.classes == ("class 0", "class 1", "class 2")
    assert data.class_counts("val").tolist() == [86, 85, 85]
    assert data.save_prediction(np.zeros((2, 2), np.uint8), "a", tmp_path).exists()
    composed = make_data(
        "data=module", "data.module._target_=tests.data.test_foreign.TheirData", "+data.module.size=6",
        "data.num_classes=3", "data.classes=[a, b, c]",
    )  # fmt: skip
    assert composed.classes == ("a", "b", "c")
    assert next(iter(composed.val_dataloader()))["mask"].shape == (2, 6, 6)
    with pytest.raises(ValueError, match=r"data\.split=test: TheirData has no test_dataloader"):
        composed.eval_dataloader("test")
    with pytest.raises(ValueError, match=r"TheirData has no num_classes; set data\.num_classes"):
        Foreign(TheirData())
    with pytest.raises(ValueError, match=r"data\.module is a dict; expected a LightningDataModule"):
        Foreign({})  # type: ignore[arg-type]


@pytest.mark.parametrize("augment", ["standard", "none", "unet"])
def test_it_composes_as_documented_with_any_augment(make_data: MakeData, augment: str) -> None:
    options = ("data=module", "data.module._target_=tests.data.test_foreign.TheirData", "data.num_classes=3")
    cfg = resolve(seglight.compose(*options, f"augment={augment}"))
    assert cfg.data.name == "module"
    assert make_data(*options, f"augment={augment}").num_classes == 3


def trained(path: Path, *options: str) -> Run:
    module = ("data=module", "data.module._target_=tests.data.test_foreign.TheirStream", "data.num_classes=3")
    kept = [option for option in QUICK if not option.startswith("data")]
    run = Run.create(path, resolve(seglight.compose(*kept, *module, *options)), [])
    fit(run)
    return run


def test_data_without_a_length_trains_for_so_many_steps(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^trainer\.max_steps=N is needed.* IterableDataset"):
        trained(tmp_path / "one")
    run = trained(tmp_path / "two", "trainer.max_epochs=-1", "trainer.max_steps=5")
    assert run.steps() == 5
    assert 0 <= run.summary["val/miou"] <= 1


class Given(LightningDataModule):
    """These batches."""

    def __init__(self, *batches: Any) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> Any:
        return DataLoader(self.batches, batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]


IMAGES, MASKS = torch.full((2, 3, 4, 5), 90, dtype=torch.uint8), torch.zeros(2, 4, 5, dtype=torch.long)


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (IMAGES / 255, MASKS, r"pixels are 0.352941 to 0.352941; uint8, or float from 0 to 255, is needed"),
        (IMAGES * float("nan"), MASKS, "pixels are nan to nan; uint8, or float"),
        (IMAGES.float() - 100, MASKS, "pixels are -10 to -10; uint8, or float"),
        (IMAGES.int() * 100, MASKS, "pixels are 9000 to 9000; uint8, or float"),
        (IMAGES.bool(), MASKS, "images are torch.bool; uint8, or float"),
        (IMAGES * 1j, MASKS, "images are torch.complex64; uint8, or float"),
        (IMAGES, MASKS.float(), "masks are torch.float32; whole numbers"),
        (IMAGES, MASKS[:, :3], r"image and mask are \[2, 3, 4, 5\] and \[2, 3, 5\]; \[B, C, H, W\]"),
        (IMAGES[0], MASKS, r"image and mask are \[3, 4, 5\] and"),
        (IMAGES, MASKS + 3, r"label 3 in the mask of 000000; 0 to 2 \(data.num_classes=3\), or 255 for ignored"),
        (IMAGES, MASKS - 1, "label -1 in the mask of 000000"),
        (IMAGES, MASKS + 256, "label 256 in the mask of 000000"),
        (IMAGES.tolist(), MASKS, "a batch is .*'image': 'list', 'mask': 'Tensor'.*; an .image, mask. pair"),
    ],
)
def test_a_batch_of_the_wrong_kind_is_refused(images: Any, masks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^data=module: .*{message}") as error:
        next(iter(Foreign(Given((images, masks)), num_classes=3).train_dataloader()))
    assert "\n" not in str(error.value)


def test_what_is_right_passes() -> None:
    ignored = MASKS.clone()
    ignored[1, 2] = 255
    for images in (IMAGES, IMAGES.float(), IMAGES * 0, IMAGES.half()):
        for masks in (MASKS, ignored, ignored.byte(), ignored[:, None]):
            batch = next(iter(Foreign(Given({"image": images, "mask": masks}), num_classes=3).train_dataloader()))
            assert batch["mask"].shape == MASKS.shape


def test_a_label_is_looked_for_in_every_batch() -> None:
    later = Given((IMAGES, MASKS), (IMAGES, MASKS + 7))
    with pytest.raises(ValueError, match="label 7 in the mask of 000002"):
        list(Foreign(later, num_classes=3).train_dataloader())
