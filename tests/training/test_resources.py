"""Memory that runs out says what to lower."""

from __future__ import annotations

from pathlib import Path

import pytest

import seglight
from tests.conftest import SURVIVING, Command


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (
            "GPUMemory",
            [
                "out of GPU memory",
                "data.batch_size=4",
                "data.crop_size=64",
                "trainer.precision",
                "2.00 GiB",
                "1.06 GiB is free",
            ],
        ),
        ("KilledWorker", ["killed by signal: Killed", "data.num_workers", "--ipc=host"]),
    ],
)
def test_memory_that_runs_out_says_what_to_lower(loss: str, says: list[str], command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["data.num_workers=1", "data.train_images=400", f"loss._target_=tests.failing.{loss}"]
    answer = command("train", *SURVIVING, *options, f"hydra.run.dir={run}")
    assert answer.returncode == 1
    for text in says:
        assert text in answer.stderr
    assert not any(text in answer.stdout + answer.stderr for text in ("Traceback", "ALLOC_CONF", "precision=auto"))
    assert seglight.runs.run.find_run(run).summary["status"] == "failed"
