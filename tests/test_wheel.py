"""An installed wheel finds its configs and trains, from anywhere."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPO


def run(*command: object, **options: Any) -> str:
    """What a process prints; it has to succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_carries_the_configs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", REPO)
    wheel = next((tmp_path / "dist").glob("seglight-*.whl"))
    empty, elsewhere = tmp_path / "empty", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", empty, wheel)
    program = "import seglight; print(seglight.__file__, seglight.compose('model=fcn8s', 'data=voc').axes.encoder)"
    answer = run(sys.executable, "-c", program, cwd=elsewhere, env={"PYTHONPATH": str(empty)})
    assert str(empty) in answer
    assert "vgg16_fc" in answer


@pytest.mark.slow
def test_the_source_package_makes_a_wheel_that_trains_in_an_empty_environment(tmp_path: Path) -> None:
    run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", REPO
    )  # the wheel from the sdist
    wheel = next((tmp_path / "dist").glob("seglight-*.whl"))
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-compile", "-c", REPO / "constraints.txt", wheel)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    short = ["trainer.max_steps=4", "data.train_images=16", "data.val_images=4", "hydra.run.dir=outputs/first"]
    answer = run(python, "-m", "seglight.train", *short, cwd=tmp_path, env=env)
    assert answer.splitlines()[-1].startswith("run: "), answer
    assert (tmp_path / "outputs/first/checkpoints/best.ckpt").is_file()
