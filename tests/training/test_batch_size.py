"""data.batch_size=auto: the largest batch that fits, measured, kept in the run's config."""

import json
import logging
from pathlib import Path

import pytest

import seglight
from seglight.runs.run import Run
from seglight.training import batch_size
from tests.conftest import QUICK

SMALL = [*QUICK, "data.train_images=64", "data.batch_size=auto"]


def test_more_memory_gives_a_larger_batch_up_to_the_images_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = seglight.compose("model=unet_small", *SMALL)
    sizes, told = [], []
    monkeypatch.setattr(batch_size, "step_memory", lambda cfg, images, on_gpu: (64, (1000 + 100 * images) * 10**6))
    for gigabytes in (4, 1000):
        monkeypatch.setattr(batch_size, "available_memory", lambda free=gigabytes: free * 10**9)
        size, why = batch_size.largest(cfg)
        sizes.append(size)
        told.append(why)
    assert sizes[0] == 16  # 0.8 x 4 GB less 1 GB are 22 images of 100 MB
    assert sizes[0] < sizes[1] == 64
    assert told[1].endswith("an epoch has 1 step, with data.batch_size=8 it has 8")


def test_a_batch_that_cannot_fit_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "available_memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"not even one image fits: .* lower data.crop_size"):
        batch_size.largest(seglight.compose("model=unet_small", *SMALL))


def test_the_size_that_was_found_stands_in_the_runs_config(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made_from_it = "data.eval_batch_size=${data.batch_size}"
    cfg = seglight.compose("model=unet_small", *SMALL, made_from_it)
    run = Run.create(tmp_path / "run", cfg, SMALL)
    with caplog.at_level(logging.INFO):
        batch_size.settle(run)
    kept = Run(run.path).cfg.data.batch_size
    assert 1 <= kept <= 64
    assert run.cfg.data.eval_batch_size == Run(run.path).cfg.data.eval_batch_size == kept
    assert f"data.batch_size=auto: {kept} images: " in caplog.text
    assert f"\n  batch_size: {kept}\n" in (run.path / "composed.yaml").read_text()
    assert json.loads((run.path / "summary.json").read_text())["status"] == "waiting"
