"""Seeded splits, folds and parts: disjoint, whole, the same every time, with groups and rare classes kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import write_voc

MakeData = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """40 images of 10 patients; every fifth image has the rare class."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(40):
        mask = np.zeros((8, 8), np.uint8)
        mask[:, 4:] = 2 if number % 5 == 0 else 1
        for folder in ("images", "masks"):
            Image.fromarray(mask).save(tmp_path / folder / f"patient_{number // 4}_slice{number}.png")
    (tmp_path / "classes.yaml").write_text("classes: [background, common, rare]")
    return tmp_path


def names(make_data: MakeData, root: Path, split: str, *options: str) -> set[str]:
    data = make_data("data=folder", f"data.root={root}", "data.num_classes=3", *options)
    return {pair.name for pair in data.listed(split)}


def patients(found: set[str]) -> set[str]:
    return {name.split("_")[1] for name in found}


def rare(found: set[str]) -> int:
    return sum(int(name.partition("slice")[2]) % 5 == 0 for name in found)


def test_a_group_never_stands_on_both_sides(root: Path, make_data: MakeData) -> None:
    group = r"data.group='patient_(\d+)'"
    train, val = (names(make_data, root, split, group) for split in ("train", "val"))
    assert len(val) == 8
    assert len(train) == 32
    assert not patients(train) & patients(val)
    make_data("data=folder", f"data.root={root}", "data.num_classes=3", group, "data.stratify=true").setup("fit")
    with pytest.raises(ValueError, match=r"data\.group=case.*: it does not match the image name patient_"):
        names(make_data, root, "train", "data.group=case")


def test_folds_are_a_partition(root: Path, make_data: MakeData) -> None:
    folds = [("data.folds=5", f"data.fold={fold}", "data.stratify=true") for fold in range(5)]
    parts = [names(make_data, root, "val", *fold) for fold in folds]
    assert sorted(map(len, parts)) == [8] * 5
    assert len(set().union(*parts)) == 40
    assert names(make_data, root, "train", *folds[2]) == set().union(*parts) - parts[2]
    assert {rare(part) for part in parts} <= {1, 2}  # 8 of 40 have it
    with pytest.raises(ValueError, match=r"data\.fold=5: a whole number below data\.folds=5"):
        names(make_data, root, "val", "data.folds=5", "data.fold=5")


def test_a_smaller_part_is_inside_a_larger_one(root: Path, make_data: MakeData) -> None:
    shares = [names(make_data, root, "train", f"data.fraction={share}") for share in (0.1, 0.25, 0.5, 1.0)]
    assert [len(part) for part in shares] == [3, 8, 16, 32]
    for smaller, larger in itertools.pairwise(shares):
        assert smaller < larger
    assert all(rare(part) >= 1 for part in shares)
    assert names(make_data, root, "train", "data.fraction=0.25", "data.split_seed=1") != shares[1]


def test_folds_and_parts_of_a_data_set_with_lists(
    tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGLIGHT_DATA", str(write_voc(tmp_path, train=6, val=3)))
    data = make_data("data=voc", "data.folds=3", "data.fold=1")
    train, val = ({pair.name for pair in data.listed(split)} for split in ("train", "val"))
    assert (len(train), len(val)) == (4, 2)
    assert train | val == {f"2012_train{number:03d}" for number in range(6)}
    assert len(make_data("data=voc", "data.fraction=0.5").listed("train")) == 3
    for ignored in (r"data.group='train00(\d)'", "data.stratify=true", "data.split_seed=1"):
        with pytest.raises(
            ValueError, match=f"{ignored.partition('=')[0]}=.* would change nothing: data=voc has splits"
        ):
            make_data("data=voc", ignored).setup("fit")
        make_data("data=voc", ignored).setup("validate")  # of a run that trained so
        make_data("data=voc", "data.folds=3", ignored).setup("fit")
