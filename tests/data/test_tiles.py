"""`data.tile`: windows of large images, read as such, every pixel scored once, whole images in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from seglight.callbacks.predictions import Predictions
from seglight.data import window_reading
from seglight.data.labels import IndexLabels
from seglight.data.pair import Pair
from seglight.data.pixels import Pixels
from seglight.data.reader import FileReader
from seglight.data.sampler import EvaluationSampler
from seglight.data.tiles import TileReader, Tiles, WindowsOfImages

MakeData = Callable[..., Any]

SIZES = [(70, 90), (64, 64), (20, 150)]


def write(root: Path, kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images of different sizes and their masks, as a folder."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    (root / "classes.yaml").write_text("classes: [{name: a, id: 0}, {name: b, id: 1}, {name: c, id: 2}]\n")
    written, random = [], np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        mask = random.integers(0, 3, size, dtype=np.uint8)
        if kind == "png":
            image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(image).save(root / f"images/{number}.png")
            Image.fromarray(mask).save(root / f"masks/{number}.png")
        else:
            image = random.integers(0, 65536, (*size, 5), dtype=np.uint16)
            more = {"compression": "zlib", "tile": (32, 32)} if kind == "deflate" else {}
            tifffile.imwrite(
                root / f"images/{number}.tif", image, photometric="minisblack", planarconfig="contig", **more
            )
            tifffile.imwrite(root / f"masks/{number}.tif", mask, **more)
        written.append((image, mask))
    return written


def options(root: Path) -> tuple[str, ...]:
    lists = "data.lists={train: train.txt, val: train.txt}"
    (root / "train.txt").write_text("".join(f"{number}\n" for number in range(len(SIZES))))
    return ("data=folder", f"data.root={root}", "data.num_classes=3", lists, "data.tile=32", "data.tile_overlap=9")


@pytest.mark.parametrize("overlap", [0, 9, 31])
def test_inner_parts_cover_an_image_once(overlap: int) -> None:
    for size in (*SIZES, (32, 33), (1, 1)):
        counted = np.zeros(size, int)
        for window in Tiles(32, overlap).windows(size):
            assert window.size == (min(32, size[0]), min(32, size[1]))
            window.of_part(window.of_image(counted))[:] += 1
        assert (counted == 1).all()


@pytest.mark.parametrize(
    ("kind", "cache"), [("png", "none"), ("png", "disk"), ("tiff", "none"), ("deflate", "none"), ("deflate", "ram")]
)
def test_windows_hold_what_the_images_hold(tmp_path: Path, make_data: MakeData, kind: str, cache: str) -> None:
    written = write(tmp_path, kind)
    keys = (f"data.cache={cache}", f"data.cache_dir={tmp_path / 'cache'}", "data.eval_batch_size=1")
    data = make_data(*options(tmp_path), *keys)
    data.settled()
    seen = [np.full(size, 255, np.uint8) for size in SIZES]
    for batch in data.val_dataloader():
        number = int(data.tiles.image_of(batch["name"][0]))
        window = data.tiles.cut_out[batch["name"][0]]
        image, mask = batch["image"][0].permute(1, 2, 0).numpy(), batch["mask"][0].numpy()
        expected = window.of_image(written[number][0])
        np.testing.assert_allclose(image, expected if kind == "png" else expected / 257, rtol=1e-6)
        inside = window.of_image(seen[number])
        assert (inside[mask != 255] == 255).all()  # nothing counts twice
        inside[mask != 255] = mask[mask != 255]
    for mask, (_, truth) in zip(seen, written, strict=True):
        np.testing.assert_array_equal(mask, truth)
    samples = data.dataset("train", train=True)
    first = samples.pairs[0]
    np.testing.assert_array_equal(samples.reader(first)[1], first.window.of_image(written[0][1]))  # all of it


def test_a_raster_is_read_by_windows(tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "deflate")
    data = make_data(*options(tmp_path))
    data.settled()
    samples = data.dataset("val")
    for name in ("read_stored", "read_image"):
        monkeypatch.setattr(f"seglight.data.pixels.{name}", None)
    monkeypatch.setattr("seglight.data.reader.read_mask", None)
    assert len([samples[index] for index in range(len(samples))]) == len(samples.pairs)
    turned = tmp_path / "turned.tif"
    tifffile.imwrite(turned, np.zeros((8, 9), np.uint8), extratags=[(274, "H", 1, 6, True)])
    assert not window_reading.plain(turned, 0)


def test_whole_masks_are_saved(tmp_path: Path, make_data: MakeData) -> None:
    written = write(tmp_path, "png")
    data = make_data(*options(tmp_path))
    samples = data.dataset("val")
    saved: dict[str, np.ndarray] = {}
    save = data.tiles.stitched(lambda mask, name, folder: saved.setdefault(name, mask))
    for pair in samples.pairs:
        save(pair.window.of_image(written[int(pair.name[0])][1]), pair.name, tmp_path)
    assert list(saved) == ["0", "1", "2"]
    for name, mask in saved.items():
        np.testing.assert_array_equal(mask, written[int(name)][1])


def test_the_windows_of_an_image_stay_on_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = WindowsOfImages([3, 1, 2])
    dealt = []
    for rank in range(4):
        monkeypatch.setattr("seglight.data.tiles.rank_and_world", lambda rank=rank: (rank, 4))
        assert len(sampler) == len(list(sampler))
        dealt.append([index for epoch, index in sampler if epoch == 0])
    assert dealt == [[0, 1, 2], [3], [4, 5], []]
    assert isinstance(sampler, EvaluationSampler)


def test_images_of_one_bit_are_read_by_windows_as_they_are_whole(tmp_path: Path) -> None:
    path, reader = tmp_path / "a.tif", FileReader(IndexLabels(2), Pixels())
    Image.fromarray(np.random.default_rng(0).random((20, 30)) < 0.5).save(path)
    pair = Pair(path, None, "a")
    image = reader(pair)[0]
    assert image.max() == 255
    for part in Tiles(16).cut([pair], reader):
        assert part.window is not None
        np.testing.assert_array_equal(TileReader(reader, False)(part)[0], part.window.of_image(image))


def test_skipping_holds_for_images_whose_size_cannot_be_read(
    tmp_path: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for number in range(120):
            Image.fromarray(np.full((8, 8), number % 2, np.uint8)).save(tmp_path / folder / f"{number:03d}.png")
    (tmp_path / "classes.yaml").write_text("classes: [{name: a, id: 0}, {name: b, id: 1}]\n")
    (tmp_path / "list.txt").write_text("".join(f"{number:03d}\n" for number in range(120)))
    keys = ("data=folder", f"data.root={tmp_path}", "data.num_classes=2", "augment=flip", "data.tile=4")
    data = make_data(*keys, "data.lists={train: list.txt, val: list.txt}", "data.on_error=skip")
    data.setup()
    (tmp_path / "images/001.png").write_bytes(b"no image")
    for loader in (data.val_dataloader(), data.train_dataloader()):
        caplog.clear()
        seen = {data.tiles.image_of(name) for batch in loader for name in batch["name"]}
        assert "001" not in seen
        assert len(seen) == 119
        assert "skipped 1 of 477" in caplog.text
        assert "001.png: cannot be decoded" in caplog.text


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_pictures_of_predictions_are_those_of_the_first_windows(
    tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    write(tmp_path, "png")
    data, kept = make_data(*options(tmp_path), "data.eval_batch_size=1"), set()
    windows = [pair.name for pair in data.dataset("val").pairs]
    count = next(number for number, name in enumerate(windows) if name.startswith("1@")) + 2  # of two images
    for rank in range(world):
        for place in ("data.tiles", "callbacks.predictions"):
            monkeypatch.setattr(f"seglight.{place}.rank_and_world", lambda rank=rank: (rank, world), raising=False)
        loader = data.val_dataloader()
        callback: Any = Predictions(None, None, count)  # type: ignore[arg-type]
        trainer: Any = SimpleNamespace(datamodule=data, val_dataloaders=loader)
        callback.on_validation_start(trainer, None)
        for number, batch in enumerate(loader):
            callback.on_validation_batch_end(trainer, None, torch.zeros_like(batch["mask"]), batch, number)
        assert not kept & callback.examples.keys()
        kept |= callback.examples.keys()
    assert kept == set(windows[:count])


@pytest.mark.parametrize("keys", [("data.tile=0",), ("data.tile=32", "data.tile_overlap=32"), ("data.tile=a",)])
def test_wrong_sizes_are_named(voc_root: Path, make_data: MakeData, keys: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=keys[-1].partition("=")[0]):
        make_data("data=voc", *keys)
