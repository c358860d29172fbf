"""What a data module promises: batches, native evaluation, exact repeats, and errors before the first step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from PIL import Image

from seglight.config import build, compose, resolve
from seglight.data import loader, sampler, workers
from seglight.data.shapes import Shapes
from tests.data.conftest import labels, save_palette, write_voc

MakeData = Callable[..., Any]


def epoch_of(data: Any, epoch: int) -> list[dict[str, Any]]:
    loader = data.train_dataloader()
    loader.batches.sampler.set_epoch(epoch)
    return list(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches(voc_root: Path, make_data: MakeData, workers: int) -> None:
    data = make_data("data=voc", "data.crop_size=[24, 32]", f"data.num_workers={workers}")
    batches = list(data.train_dataloader())
    assert [len(batch["name"]) for batch in batches] == [2, 2, 2]
    for batch in batches:
        assert set(batch) == {"image", "mask", "name"}
        assert batch["image"].shape == (2, 3, 24, 32)
        assert batch["image"].dtype == batch["mask"].dtype == torch.uint8
        assert batch["mask"].shape == (2, 24, 32)
    evaluated = list(data.val_dataloader())
    assert [batch["image"].shape[2:] for batch in evaluated] == [(40, 60), (41, 59), (42, 58)]
    np.testing.assert_array_equal(evaluated[1]["mask"][0], labels(41, 59, 21, 1))
    assert evaluated[0]["name"] == ["2012_val000"]


def test_a_run_repeats_exactly_with_any_number_of_workers(voc_root: Path, make_data: MakeData) -> None:
    options = ("data=voc", "augment=strong", "data.crop_size=32", "seed=3")
    alone = make_data(*options)
    with_workers = make_data(*options, "data.num_workers=2")
    loader = with_workers.train_dataloader()
    for epoch in (0, 1, 5):
        loader.batches.sampler.set_epoch(epoch)
        for a, b in zip(epoch_of(alone, epoch), loader, strict=True):
            assert a["name"] == b["name"]
            assert torch.equal(a["image"], b["image"])
            assert torch.equal(a["mask"], b["mask"])
    first, second = epoch_of(alone, 0), epoch_of(alone, 1)
    assert any(not torch.equal(a["image"], b["image"]) for a, b in zip(first, second, strict=True))
    reseeded = epoch_of(make_data(*options, "seed=4"), 0)
    assert any(not torch.equal(a["image"], b["image"]) for a, b in zip(first, reseeded, strict=True))


def test_lightning_gives_each_epoch_its_own_order() -> None:
    class Watch(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.names: list[tuple[str, ...]] = []

        def training_step(self, batch: dict[str, Any], _: int) -> torch.Tensor:
            self.names.append(tuple(batch["name"]))
            return self.weight.sum()

        def validation_step(self, batch: dict[str, Any], _: int) -> None: ...

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    data, watch = Shapes(train_images=6, val_images=2, size=32, batch_size=3, num_workers=0), Watch()
    trainer = Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(watch, data)
    epochs = [sum(watch.names[2 * epoch : 2 * epoch + 2], ()) for epoch in range(3)]
    assert len(set(epochs)) == 3
    assert epochs[2] == tuple(name for batch in epoch_of(data, 2) for name in batch["name"])


def test_a_last_batch_that_is_not_full_is_left_out_unless_it_is_the_only_one() -> None:
    assert len(Shapes(train_images=7, batch_size=3, num_workers=0).train_dataloader()) == 2
    assert len(Shapes(train_images=2, batch_size=3, num_workers=0).train_dataloader()) == 1


def test_images_of_different_sizes_in_one_batch_say_what_to_do(voc_root: Path, make_data: MakeData) -> None:
    data = make_data("data=voc", "data.eval_batch_size=2", "augment=none")
    with pytest.raises(ValueError, match=r"2012_val000 60 x 40, .* set data\.eval_batch_size=1"):
        list(data.val_dataloader())
    with pytest.raises(ValueError, match=r"different sizes .* data\.batch_size=1, or an augmentation with a crop"):
        list(data.train_dataloader())
    assert len(list(make_data("data=voc", "augment=none", "data.batch_size=1").train_dataloader())) == 6


def test_class_counts_leave_ignored_pixels_out(voc_root: Path, make_data: MakeData) -> None:
    data = make_data("data=voc")
    masks = [labels(40 + number, 60 - number, 21, number).reshape(-1) for number in range(6)]
    expected = np.bincount(np.concatenate(masks), minlength=256)[:21]
    assert data.class_counts("train").tolist() == expected.tolist()


def test_predictions_are_palette_images_of_class_indices(voc_root: Path, make_data: MakeData, tmp_path: Path) -> None:
    mask = labels(10, 12, 21)
    path = make_data("data=voc").save_prediction(mask, "a", tmp_path / "predictions")
    image = Image.open(path)
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), mask)
    assert image.getpalette()[15 * 3 : 15 * 3 + 3] == [192, 128, 128]  # person


# What is wrong with a data set is said before the first step, with the file, the value and what was expected.


def test_a_missing_folder(make_data: MakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path / "nowhere"))
    for name, layout in (("voc", "SegmentationClass"), ("camvid", "trainannot"), ("cityscapes", "gtFine")):
        with pytest.raises(FileNotFoundError, match=layout) as error:
            make_data(f"data={name}").prepare()
        for part in (str(tmp_path / "nowhere"), "SEGLIGHT_DATA", f"python -m seglight.fetch data={name}"):
            assert part in str(error.value)


def test_a_missing_mask(voc_root: Path, make_data: MakeData) -> None:
    (voc_root / "SegmentationClass" / "2012_train004.png").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"2012_train004\.png: no such file \(data=voc, split train .* 1 missing"
    ):
        make_data("data=voc").prepare()


def test_a_mask_of_another_size(voc_root: Path, make_data: MakeData) -> None:
    save_palette(labels(11, 12, 21), voc_root / "SegmentationClass" / "2012_train003.png")
    with pytest.raises(ValueError, match=r"2012_train003\.png: the mask is 12 x 11 pixels; expected 57 x 43") as error:
        make_data("data=voc").prepare()
    assert "2012_train003.jpg" in str(error.value)


def test_a_label_out_of_range(voc_root: Path, make_data: MakeData) -> None:
    mask = labels(40, 60, 21)
    mask[5, 5] = 77
    save_palette(mask, voc_root / "SegmentationClass" / "2012_train000.png")
    with pytest.raises(ValueError, match=r"2012_train000\.png: label 77 \(1 px\) is out of range; expected 0 to 20"):
        make_data("data=voc").prepare()


def test_an_empty_split(voc_root: Path, make_data: MakeData) -> None:
    (voc_root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"val\.txt: the list is empty"):
        make_data("data=voc").prepare()


def test_an_id_listed_twice(voc_root: Path, make_data: MakeData) -> None:
    path = voc_root / "ImageSets" / "Segmentation" / "train.txt"
    path.write_text(path.read_text() + "2012_train001\n")
    with pytest.raises(ValueError, match=r"train\.txt: listed more than once: 2012_train001 \(1 in all\)"):
        make_data("data=voc").prepare()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("data.num_classes=20", "data.num_classes=20; data=shapes has 9 classes"),
        ("data.num_workers=-1", "data.num_workers=-1: a whole number from 0, or auto, is needed"),
        ("data.num_workers=many", "data.num_workers=many: a whole number from 0, or auto"),
        ("data.num_workers=1.5", "data.num_workers=1.5: a whole number from 0, or auto"),
        ("data.batch_size=0", "data.batch_size=0: a whole number from 1, or auto"),
        ("data.batch_size=2.5", "data.batch_size=2.5: a whole number from 1, or auto"),
        ("data.eval_batch_size=-4", "data.eval_batch_size=-4: a whole number from 1 is needed"),
        ("data.eval_batch_size=two", "data.eval_batch_size=two: a whole number from 1 is needed"),
        ("data.crop_size=0", "data.crop_size=0: a whole number of pixels from 1, or .height, width., is needed"),
        ("data.crop_size=[64,-1]", r"data.crop_size=\[64, -1\]: a whole number of pixels"),
        ("data.crop_size=[64,64,3]", r"data.crop_size=\[64, 64, 3\]: a whole number of pixels"),
        ("data.crop_size=32.5", "data.crop_size=32.5: a whole number of pixels"),
        ("data.crop_size=0 augment=none", "data.crop_size=0: a whole number of pixels"),
        ("data.scale=1", r"data.scale=1: \[smallest, largest\] is needed, above 0, such as \[0.5, 2.0\]"),
        ("data.scale=[2,1]", r"data.scale=\[2, 1\]: \[smallest, largest\] is needed"),
        ("data.scale=[0,1]", r"data.scale=\[0, 1\]: \[smallest, largest\] is needed"),
        ("data.scale=[a,b]", r"data.scale=\[a, b\]: \[smallest, largest\] is needed"),
        ("data.rare_classes=[42]", r"data.rare_classes=\[42\]: 42 is no class; .* indices 0 to 8 .* background, disc"),
        ("data.rare_classes=[-1]", r"data.rare_classes=\[-1\]: -1 is no class"),
        ("data.rare_classes=[1.5]", r"data.rare_classes=\[1.5\]: 1.5 is no class"),
        ("data.rare_classes=[moon]", r"data.rare_classes=\[moon\]: moon is no class"),
        ("data.rare_classes=[disc] augment=none", r"data.rare_classes=\[disc\]: augment has no crop"),
        ("data.train_images=0", "data.train_images=0: a whole number from 1 is needed"),
        ("data.size=-3", "data.size=-3: a whole number from 1 is needed"),
        ("data.seed=-1", "data.seed=-1: .*whole number"),
        ("data.cache=disk", "data.cache=disk: data=shapes reads no files"),
        ("data.cache=tape", "data.cache=tape: one of null, none, disk, ram, features, .* is needed"),
        ("+data.on_error=ignore", "data.on_error=ignore: one of raise, skip is needed"),
        ("+data.bach_size=2", "data.bach_size=2: data=shapes has no such key; did you mean data.batch_size"),
        ("+data.foo=1", "data.foo=1: data=shapes has no such key; its keys are .*augment, batch_size, .* val_images"),
        ("data=isbi2012 data.folds=1", "data.folds=1: a whole number from 2 is needed"),
        ("data=isbi2012 data.fold=-1", "data.fold=-1: a whole number from 0 is needed"),
        ("data=isbi2012 data.fold=0.5", "data.fold=0.5: a whole number from 0 is needed"),
        ("data=pet data.border=none", "data.border=none: one of ignore, class is needed"),
        ("data=cityscapes data.coarse=some", "data.coarse=some: one of false, true is needed"),
    ],
)
def test_wrong_settings_are_named_with_what_is_needed(make_data: MakeData, options: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as error:
        make_data(*options.split())
    assert "\n" not in str(error.value)


def test_the_jobs_of_a_sweep_and_the_ranks_of_a_job_share_the_cores(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "available_cores", lambda: 16)
    for jobs, ranks, expected in ((1, 1, 8), (8, 1, 2), (4, 2, 2), (1, 4, 4), (32, 1, 1)):
        monkeypatch.setenv("SEGLIGHT_JOBS", str(jobs))
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
        assert make_data("data=shapes", "data.num_workers=auto").num_workers == expected


# A file that breaks in the middle of an epoch.


def break_one(root: Path) -> str:
    """Truncates one of 101 training images that the cheap checks do not read."""
    path = root / "JPEGImages" / "2012_train003.jpg"
    path.write_bytes(path.read_bytes()[:200])
    return path.name


@pytest.fixture
def big_voc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    return write_voc(tmp_path, train=101, val=100) / "VOCdevkit" / "VOC2012"


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_file_stops_the_epoch(big_voc: Path, make_data: MakeData, workers: int) -> None:
    data = make_data("data=voc", "data.crop_size=16", f"data.num_workers={workers}")
    data.prepare()
    name = break_one(big_voc)
    with pytest.raises(ValueError, match=f"{name}: cannot be decoded as an image") as error:
        list(data.train_dataloader())
    assert "\n" not in str(error.value)  # one line, out of a worker too


def test_a_file_that_vanishes_in_the_middle_of_an_epoch(big_voc: Path, make_data: MakeData) -> None:
    data = make_data("data=voc", "data.crop_size=16")
    loader = iter(data.train_dataloader())
    next(loader)
    for path in (big_voc / "SegmentationClass").glob("*.png"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"SegmentationClass/2012_train\d+\.png: no such file"):
        list(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_says_which_and_keeps_every_batch_full(
    big_voc: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    data = make_data("data=voc", "data.crop_size=16", "data.on_error=skip", f"data.num_workers={workers}")
    data.prepare()
    name = break_one(big_voc)
    with caplog.at_level(logging.WARNING):
        batches = list(data.train_dataloader())
    assert [len(batch["name"]) for batch in batches] == [2] * 50
    assert f"skipped 1 of 101: {big_voc / 'JPEGImages' / name}" in caplog.text


def test_evaluation_leaves_a_skipped_image_out(
    big_voc: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture
) -> None:
    data = make_data("data=voc", "data.on_error=skip")
    data.prepare()
    (big_voc / "JPEGImages" / "2012_val007.jpg").unlink()
    with caplog.at_level(logging.WARNING):
        batches = list(data.val_dataloader())
    names = [name for batch in batches for name in batch["name"]]
    assert len(batches) == 100  # as many as each rank counts on
    assert [(batch["name"], batch["mask"].unique().tolist()) for batch in batches][7] == ([], [255])
    assert batches[7]["image"].shape[-2:] == batches[7]["mask"].shape[-2:]
    assert len(names) == len(set(names)) == 99
    assert "2012_val007" not in names
    assert "skipped 1 of 100" in caplog.text


def test_class_counts_leave_a_skipped_mask_out(big_voc: Path, make_data: MakeData) -> None:
    data = make_data("data=voc", "data.on_error=skip")
    masks = sorted((big_voc / "SegmentationClass").glob("2012_train*.png"))
    expected = sum(np.bincount(np.array(Image.open(path)).ravel(), minlength=256)[:21] for path in masks[:-1])
    data.prepare()
    masks[-1].write_bytes(b"")
    assert data.class_counts("train").tolist() == np.asarray(expected).tolist()
    with pytest.raises(ValueError, match="the file is empty"):
        make_data("data=voc").class_counts("train")


def test_a_png_cut_short_is_named_or_skipped(big_voc: Path, make_data: MakeData) -> None:
    mask = big_voc / "SegmentationClass" / "2012_val007.png"
    noise = np.random.default_rng(0).integers(0, 21, Image.open(mask).size[::-1], np.uint8)
    Image.fromarray(noise).save(mask)
    mask.write_bytes(mask.read_bytes()[: mask.stat().st_size // 2])
    data = make_data("data=voc")
    data.prepare()
    with pytest.raises(ValueError, match=r"2012_val007\.png: cannot be decoded as an image, \d+ bytes"):
        list(data.val_dataloader())
    data = make_data("data=voc", "data.on_error=skip")
    data.prepare()
    assert sum(len(batch["name"]) for batch in data.val_dataloader()) == 99


def test_skipping_refuses_more_than_one_percent(big_voc: Path, make_data: MakeData) -> None:
    data = make_data("data=voc", "data.on_error=skip")
    data.prepare()
    for number in (7, 8):
        (big_voc / "JPEGImages" / f"2012_val{number:03d}.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"2 of 100 files could not be read, more than data\.on_error=skip accepts"):
        list(data.val_dataloader())


def test_a_rank_without_an_image_of_its_own_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rank gets a batch; an image that only stands in is counted and listed by no one."""
    data = build(resolve(compose("data=shapes", "data.val_images=1", "data.num_workers=0")), "data")
    data.setup("validate")
    names = []
    for rank in range(2):
        for module in (sampler, loader):
            monkeypatch.setattr(module, "rank_and_world", lambda rank=rank: (rank, 2))
        batches = list(data.val_dataloader())
        names.append([batch["name"] for batch in batches])
        assert all(bool((batch["mask"] == 255).all()) == (batch["name"] == []) for batch in batches)
    assert names == [[["val_0000"]], [[]]]
