"""Chunks hold the data set that they were made from, and are read the same by any number of workers."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seglight import compose
from seglight.data.streaming import write_chunks
from seglight.fetch import fetch
from tests.data.conftest import labels, write_voc

MakeData = Callable[..., Any]


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """SEGLIGHT_DATA with a small VOC, and the folder of its chunks."""
    pytest.importorskip("litdata")
    root = write_voc(tmp_path_factory.mktemp("data"), train=20)
    folder = root / "chunks"
    fetch(compose("data=voc", f"root={root}", "format=litdata", f"chunks={folder}", config_name="fetch"))
    return root, folder


def options(folder: Path) -> tuple[str, ...]:
    return "data=streaming", f"data.chunks={folder}", "data.num_classes=21", "data.crop_size=32"


def test_chunks_hold_the_data_set(chunks: tuple[Path, Path], make_data: MakeData) -> None:
    root, folder = chunks
    streamed, files = make_data(*options(folder)), make_data("data=voc", f"data.root={root}/VOCdevkit/VOC2012")
    assert streamed.classes == files.classes
    assert streamed.palette == files.palette
    streamed.prepare()
    for split in ("train", "val"):
        one, other = streamed.dataset(split), files.dataset(split)
        assert len(one) == len(other)
        for index in range(len(one)):
            assert one[index].name == other[index].name
            np.testing.assert_array_equal(one[index].image, other[index].image)
            np.testing.assert_array_equal(one[index].mask, other[index].mask)
    assert torch.equal(streamed.class_counts("train"), files.class_counts("train"))


def test_what_chunks_cannot_do_is_refused(chunks: tuple[Path, Path], make_data: MakeData, tmp_path: Path) -> None:
    for key in ("+data.fraction=0.5", "+data.folds=3"):
        with pytest.raises(ValueError, match="chunks are read whole; fetch format=litdata"):
            make_data(*options(chunks[1]), key)
    with pytest.raises(ValueError, match="data=streaming reads no files that could be cut"):
        make_data(*options(chunks[1]), "+data.tile=64")
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            values = np.full((8, 9), 3000 if folder == "images" else number, np.uint16)
            Image.fromarray(values).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "classes.yaml").write_text("classes: [a, b]")
    deep = make_data("data=folder", f"data.root={tmp_path}", "data.num_classes=2")
    with pytest.raises(ValueError, match=r"images/.\.png: chunks hold RGB images of 8 bits"):
        write_chunks(deep, ["train"], tmp_path / "chunks")


def test_any_number_of_workers_sees_the_same(chunks: tuple[Path, Path], make_data: MakeData) -> None:
    loaders = [make_data(*options(chunks[1]), f"data.num_workers={n}").train_dataloader() for n in (0, 2)]
    for epoch in (0, 3):
        for loader in loaders:
            loader.batches.sampler.set_epoch(epoch)
        names = []
        for a, b in zip(*loaders, strict=True):
            assert torch.equal(a["image"], b["image"])
            assert torch.equal(a["mask"], b["mask"])
            names += a["name"]
        assert len(set(names)) == 20


def test_evaluation_is_at_native_resolution(chunks: tuple[Path, Path], make_data: MakeData) -> None:
    batches = list(make_data(*options(chunks[1])).val_dataloader())
    assert [batch["name"] for batch in batches] == [[f"2012_val{number:03d}"] for number in range(3)]
    np.testing.assert_array_equal(batches[2]["mask"][0], labels(42, 58, 21, 2))


class Hostile:
    """What pickle calls when it reads this."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data_format": ["str", "pickle", "bytes"]}, "the format pickle is not read"),
        ({"data_spec": '[1, {"type": "collections.OrderedDict", "context": "[]", "children_spec": []}]'}, "not a name"),
        ({"data_spec": '[1, {"type": "collections.defaultdict"}]'}, "cannot be understood"),
        ({"item_loader": "ParquetLoader"}, "not a name, an image and a mask"),
        ({"filename": "../chunk-0-0.bin"}, r"the chunk \.\./chunk-0-0\.bin is not a name in its folder"),
    ],
)
def test_chunks_that_seglight_does_not_write_are_refused_before_a_sample_is_read(
    change: dict[str, Any], says: str, chunks: tuple[Path, Path], tmp_path: Path, make_data: MakeData
) -> None:
    folder, marker = shutil.copytree(chunks[1], tmp_path / "chunks"), tmp_path / "marker"
    for split in ("train", "val"):
        file = folder / split / "index.json"
        index = json.loads(file.read_text())
        content = pickle.dumps(Hostile(marker))  # as litdata lays out a chunk of one sample
        head = np.array([1, 12, 12 + 12 + 1 + len(content) + 1], np.uint32).tobytes()
        body = np.array([1, len(content), 1], np.uint32).tobytes() + b"a" + content + b"m"
        (folder / split / "chunk-0-0.bin").write_bytes(head + body)
        index["chunks"] = [{**index["chunks"][0], "chunk_size": 1, "chunk_bytes": len(head + body)}]
        index["chunks"][0]["filename"] = change.get("filename", "chunk-0-0.bin")
        index["config"].update({key: value for key, value in change.items() if key != "filename"})
        file.write_text(json.dumps(index))
    with pytest.raises(ValueError, match=says + ".*expected chunks that fetch format=litdata writes"):
        make_data(*options(folder))
    assert not marker.exists()


def test_no_chunks_says_how_they_are_made(tmp_path: Path, make_data: MakeData) -> None:
    pytest.importorskip("litdata")
    with pytest.raises(FileNotFoundError, match=r"no chunks there .* format=litdata chunks=FOLDER"):
        make_data(*options(tmp_path / "nowhere"))


def test_without_litdata_the_error_says_what_to_install(
    tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litdata", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"seglight\[streaming\]\""):
        make_data(*options(tmp_path))


def test_samples_are_shuffled_within_windows_of_chunks() -> None:
    from seglight.data.streaming import WINDOW, WindowSampler

    lengths = [10] * (2 * WINDOW)
    order = [index for _, index in WindowSampler(lengths, seed=0)]
    assert sorted(order) == list(range(sum(lengths)))
    first_half = {index // 10 for index in order[: 10 * WINDOW]}
    assert len(first_half) == WINDOW  # no other chunk is touched meanwhile
    assert order[: 10 * WINDOW] != sorted(order[: 10 * WINDOW])
