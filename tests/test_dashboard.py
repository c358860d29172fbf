"""`python -m seglight.dashboard`: the page's specification, and what is said where W&B cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seglight.config import AXES
from tests.conftest import Command


def test_the_page_compares_runs_by_axis(command: Command, tmp_path: Path) -> None:
    answer = command("dashboard", "out=page/spec.json", "data=voc", "group_by=[encoder,skips]", "sweep=12-00-00")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.rstrip().splitlines()[-1] == "wrote: page/spec.json"
    page: dict[str, Any] = json.loads((tmp_path / "page" / "spec.json").read_text())
    assert page["project"] == "seglight"
    spec = page["spec"]["section"]

    sections = {section["name"]: section["panels"] for section in spec["panelBankConfig"]["sections"]}
    assert list(sections) == ["Grid", "Learning curves", "Classes", "Images", *(f"By {axis}" for axis in AXES)]
    grid = sections["Grid"][0]
    assert grid["viewType"] == "Parallel Coordinates Plot"
    columns = [column["accessor"] for column in grid["config"]["columns"]]
    assert columns == [*(f"config:{axis}.value" for axis in AXES), "summary:best/miou"]
    curves = [panel["config"]["metrics"] for panel in sections["Learning curves"]]
    assert ["val/miou"] in curves
    assert ["train/loss"] in curves
    bars = [panel["config"]["metrics"] for panel in sections["Classes"]]
    assert len(bars) == 21  # VOC's
    assert ["best/iou/aeroplane"] in bars
    assert sections["Images"][0]["config"]["mediaKeys"] == ["predictions"]
    for axis in AXES:
        assert {panel["config"]["groupBy"] for panel in sections[f"By {axis}"]} == {f"{axis}.value"}

    (runs,) = spec["runSets"]
    assert [key["name"] for key in runs["grouping"]] == ["encoder.value", "skips.value"]
    assert "12-00-00" in json.dumps(runs["filters"])


def test_not_logged_in_costs_one_message(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    answer = command("dashboard", NETRC=str(tmp_path / "netrc"))
    assert answer.returncode == 1
    assert "error: not logged in to Weights & Biases" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_axis_that_does_not_exist_is_named(command: Command) -> None:
    answer = command("dashboard", "out=spec.json", "group_by=[enkoder]")
    assert answer.returncode == 1
    assert "enkoder" in answer.stderr
    assert "encoder" in answer.stderr
