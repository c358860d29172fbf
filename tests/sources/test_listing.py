"""Which files a source stands for, and the names of what is written for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from seglight.sources.listing import items


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(folder / name)


def test_a_list_that_leads_upwards_writes_nothing_outside_the_folder(tmp_path: Path) -> None:
    pictures(tmp_path, "lists/a.png", "b.png")
    (tmp_path / "lists" / "all.txt").write_text("a.png\n../b.png\n")
    assert [item.name for item in items(tmp_path / "lists" / "all.txt", tmp_path / "out")] == ["lists/a", "b"]


def test_a_result_that_would_replace_an_input_or_another_result_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "a_instances.png")
    with pytest.raises(ValueError, match=r"a_instances\.png is an input there; choose another folder"):
        items([tmp_path / "a.jpg", tmp_path / "a_instances.png"], tmp_path, ["_instances.png"])
    with pytest.raises(ValueError, match=r"would both write a_instances\.png: predict them apart"):
        items([tmp_path / "a.jpg", tmp_path / "a_instances.png"], tmp_path / "out", [".png", "_instances.png"])
