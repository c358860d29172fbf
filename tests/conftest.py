"""What the tests share: where real images are, a quick run on drawn shapes, commands as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]

# One optimizer step or two on tiny images: what a test adds to a command line to be quick.
QUICK = (
    "data=shapes", "data.train_images=8", "data.val_images=4", "data.size=64", "data.crop_size=64", "data.batch_size=4",
    "data.num_workers=0", "trainer.max_epochs=1", "trainer.accelerator=cpu", "encoder.weights=null",
)  # fmt: skip


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests on real images skip only where it is absent."""
    folder = Path(os.environ.get("SEGLIGHT_DATA", REPO / "data"))
    if not folder.is_dir():
        pytest.skip("no real images: set SEGLIGHT_DATA")
    return folder.resolve()


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`command("train", "model=unet", ...)`: a real process in an empty folder, its output as text."""

    def run(name: str, *arguments: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"seglight.{name}", *arguments],
            cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO), **env},
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    return run
