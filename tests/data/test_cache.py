"""Cached arrays are the decoded files: built once, rebuilt when a file or a setting changes, whoever builds."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seglight.data import cache as caching
from seglight.data.voc import VOC
from tests.data.conftest import labels, picture, save_palette, write_voc

MakeData = Callable[..., Any]


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    return "data=voc", "data.crop_size=32", f"data.cache_dir={tmp_path / 'cache'}"


@pytest.mark.parametrize("kind", ["disk", "ram"])
@pytest.mark.parametrize("workers", [0, 2])
def test_cached_batches_equal_uncached_ones(
    voc_root: Path, make_data: MakeData, options: tuple[str, ...], kind: str, workers: int
) -> None:
    plain = make_data(*options)
    cached = make_data(*options, f"data.cache={kind}", f"data.num_workers={workers}")
    for name in ("train_dataloader", "val_dataloader"):
        for a, b in zip(getattr(plain, name)(), getattr(cached, name)(), strict=True):
            assert torch.equal(a["image"], b["image"])
            assert torch.equal(a["mask"], b["mask"])
            assert a["name"] == b["name"]
    assert torch.equal(plain.class_counts("train"), cached.class_counts("train"))


@pytest.mark.parametrize("kind", ["disk", "ram"])
def test_spawned_workers_share_it(voc_root: Path, make_data: MakeData, options: tuple[str, ...], kind: str) -> None:
    loader = make_data(*options, f"data.cache={kind}", "data.num_workers=1").val_dataloader()
    loader.multiprocessing_context = "spawn"
    assert [batch["name"][0] for batch in loader] == [f"2012_val{number:03d}" for number in range(3)]


def count_builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    built: list[str] = []
    build = caching.build

    def counted(place: Path, *rest: Any) -> None:
        built.append(place.name)
        build(place, *rest)

    monkeypatch.setattr(caching, "build", counted)
    return built


def test_it_is_built_once_and_again_when_something_changes(
    voc_root: Path, make_data: MakeData, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = count_builds(monkeypatch)

    def mask_of_first() -> np.ndarray:
        return np.array(make_data(*options, "data.cache=disk").dataset("train")[0].mask)

    mask_of_first()
    mask_of_first()
    assert len(built) == 1
    changed = np.full((40, 60), 7, np.uint8)
    save_palette(changed, voc_root / "SegmentationClass" / "2012_train000.png")  # a file
    np.testing.assert_array_equal(mask_of_first(), changed)
    assert len(built) == 2
    path = voc_root / "ImageSets" / "Segmentation" / "train.txt"  # the list
    path.write_text("2012_train001\n2012_train000\n")
    np.testing.assert_array_equal(mask_of_first(), labels(41, 59, 21, 1))
    assert len(built) == 3
    assert len(caches(tmp_path)) == 3  # another run may still read the old ones


def caches(tmp_path: Path) -> list[Path]:
    return sorted(place for place in (tmp_path / "cache").iterdir() if place.is_dir())


def test_no_cache_is_removed_by_a_neighbour(
    voc_root: Path, make_data: MakeData, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another fold, another draw of the validation images, another root under the same name."""
    built = count_builds(monkeypatch)
    folder = (
        "data=folder", f"data.root={voc_root}", "data.images=JPEGImages/*.jpg", "data.masks=SegmentationClass/*.png",
        "data.num_classes=21", f"data.class_table={{classes: [{','.join(f'c{i}' for i in range(21))}]}}",
        "data.cache=disk", f"data.cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    other = write_voc(tmp_path / "other") / "VOCdevkit" / "VOC2012"
    variants = ("data.split_seed=0", "data.split_seed=1", "data.split_seed=2", f"data.root={other}")
    for _ in range(2):
        for variant in variants:
            make_data(*folder, variant).dataset("train")
        for root in (voc_root, other):
            make_data(*options, "data.cache=disk", f"data.root={root}").dataset("train")
    assert len(built) == len(set(built)) == len(caches(tmp_path)) == 6


def test_another_reading_of_the_same_files_has_its_own(
    tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = count_builds(monkeypatch)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(4):
        Image.fromarray(picture(8, 9, number)).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(np.full((8, 9), 1, np.uint8)).save(tmp_path / "masks" / f"{number}.png")
    seen = []
    for table in ("[{name: a, id: 0}, {name: b, id: 1}]", "[{name: a, id: 1}, {name: b, id: 0}]"):
        (tmp_path / "classes.yaml").write_text(f"classes: {table}")
        data = make_data(
            "data=folder", f"data.root={tmp_path}", "data.num_classes=2", "data.images=images/*.png",
            "data.cache=disk", f"data.cache_dir={tmp_path / 'cache'}",
        )  # fmt: skip
        seen.append(int(data.dataset("train")[0].mask[0, 0]))
    assert seen == [1, 0]
    assert len(built) == 2


def open_cache(root: str, folder: str, queue: Any) -> None:
    built = []
    build = caching.build

    def slow(place: Path, *rest: Any) -> None:
        built.append(place)
        time.sleep(0.5)
        build(place, *rest)

    caching.build = slow
    data = VOC(root=root, cache="disk", cache_dir=folder).dataset("train")
    queue.put((len(built), sum(int(data[number].image.sum()) for number in range(6))))


def test_two_runs_that_build_at_once(voc_root: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    jobs = [context.Process(target=open_cache, args=(str(voc_root), str(tmp_path / "cache"), queue)) for _ in range(3)]
    for job in jobs:
        job.start()
    results = [queue.get(timeout=60) for _ in jobs]
    for job in jobs:
        job.join()
    assert sorted(builds for builds, _ in results) == [0, 0, 1]
    assert len({total for _, total in results}) == 1


def test_a_build_that_broke_off_is_never_used(
    voc_root: Path, make_data: MakeData, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = voc_root / "JPEGImages" / "2012_train005.jpg"
    good = path.read_bytes()
    make_data(*options).prepare()
    data = make_data(*options, "data.cache=disk")
    data.prepare()
    path.write_bytes(good[:400])
    with pytest.raises(ValueError, match=r"2012_train005\.jpg: cannot be decoded"):
        data.dataset("train")
    assert not caches(tmp_path)
    path.write_bytes(good)
    data.dataset("train")
    (place,) = caches(tmp_path)
    (place / "pixels.bin").write_bytes(b"")  # as if the machine had gone down before it was on the disk
    partials = [place.with_name(f"{name}.12345678.partial") for name in (place.name, "other-0-0")]
    for partial in partials:  # of killed processes
        partial.mkdir()
    busy = tmp_path / "cache" / "busy-0-0.12345678.partial"  # of a process that goes on
    busy.mkdir()
    with caching.locked(tmp_path / "cache" / "busy-0-0.lock"):
        fresh = make_data(*options, "data.cache=disk").dataset("train")
    np.testing.assert_array_equal(fresh[5].mask, labels(45, 55, 21, 5))
    assert caches(tmp_path) == [busy, place]


def test_skipped_files_stay_skipped(tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    voc = write_voc(tmp_path, train=101) / "VOCdevkit" / "VOC2012"
    for kind in ("disk", "ram"):
        data = make_data(
            "data=voc", "data.crop_size=16", f"data.cache={kind}", f"data.cache_dir={tmp_path / 'cache'}",
            "data.on_error=skip",
        )  # fmt: skip
        data.prepare()
        (voc / "JPEGImages" / "2012_train003.jpg").write_bytes(b"")
        assert [len(batch["name"]) for batch in data.train_dataloader()] == [2] * 50


def test_a_cache_that_does_not_fit_is_refused(
    voc_root: Path, make_data: MakeData, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "available_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"data\.cache=ram holds voc train: 0\.0 GB; 0\.0 GB are free in memory"):
        make_data(*options, "data.cache=ram").dataset("train")
    monkeypatch.setattr(caching.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match=r"data\.cache=disk writes voc train to .* set data\.cache_dir"):
        make_data(*options, "data.cache=disk").dataset("train")


def test_a_transform_cannot_change_the_cache(voc_root: Path, make_data: MakeData, options: tuple[str, ...]) -> None:
    for kind in ("disk", "ram"):
        image = make_data(*options, f"data.cache={kind}").dataset("train")[0].image
        with pytest.raises(ValueError, match="read-only"):
            image[0] = 0
