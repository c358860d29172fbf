"""The worked examples of docs/extending.md do what the page says: they are read from the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seglight
from seglight.config import build
from tests.conftest import REPO


def write_examples(folder: Path) -> list[str]:
    """The page's files, each named in its first line, written below a folder; returns their names."""
    page = (REPO / "docs" / "extending.md").read_text()
    blocks = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", page, re.DOTALL)
    for name, content in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return [name for name, _ in blocks]


def test_the_example_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"leaves.py", "conf/data/leaves.yaml"} <= set(write_examples(tmp_path))
    assert len((tmp_path / "conf/data/leaves.yaml").read_text().strip().splitlines()) <= 8
    stored = np.array([[0, 1, 9], [1, 1, 0]], np.uint8)
    for split, count in (("train", 3), ("val", 2)):
        for kind in ("images", "masks"):
            (tmp_path / "leaves" / kind / split).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(stored * 20).convert("RGB").save(tmp_path / "leaves/images" / split / f"{number}.png")
            Image.fromarray(stored).save(tmp_path / "leaves/masks" / split / f"{number}.png")
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = seglight.compose(f"hydra.searchpath=[file://{tmp_path}/conf]", "data=leaves", "data.num_workers=0")
    data = build(cfg, "data")
    data.prepare()
    assert [sample.name for sample in data.dataset("val")] == ["0", "1"]
    np.testing.assert_array_equal(data.dataset("val")[0].mask, [[0, 1, 255], [1, 1, 0]])
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (3, 3, 64, 64)
    assert data.class_counts("train").tolist() == [6, 9]


def test_the_example_of_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"tiny.py", "conf/encoder/tiny.yaml"} <= set(write_examples(tmp_path))
    assert len((tmp_path / "conf/encoder/tiny.yaml").read_text().strip().splitlines()) == 3
    monkeypatch.syspath_prepend(str(tmp_path))

    def net(*overrides: str) -> Any:
        cfg = seglight.compose(f"hydra.searchpath=[file://{tmp_path}/conf]", "encoder=tiny", *overrides)
        built = seglight.build_model(cfg).eval()
        build(cfg, "freeze").apply(built, 0)
        return built

    image = torch.randint(0, 256, (1, 3, 37, 50), dtype=torch.uint8)
    for overrides in (["decoder=unet"], ["decoder=fcn", "skips=add4", "skips.strides=[4]", "freeze=encoder"]):
        built = net(*overrides)
        assert built.encoder.channels == {2: 8, 4: 16, 8: 32}
        assert built.encoder.offsets == {2: 0.5, 4: 1.5, 8: 3.5}
        assert built(image).shape == (1, 9, 37, 50)
    assert not any(p.requires_grad for p in built.encoder.parameters())
    weights = tmp_path / "tiny.pth"
    torch.save(nn.Sequential(*built.encoder.stages).state_dict(), weights)
    assert torch.equal(net(f"encoder.weights={weights}").encoder.stages[0][0].weight, built.encoder.stages[0][0].weight)
