"""An installed wheel finds its configs, from anywhere."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO


def test_a_wheel_carries_the_configs(tmp_path: Path) -> None:
    run = lambda *command, **options: subprocess.run(command, check=True, capture_output=True, text=True, **options)  # noqa: E731
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(REPO))
    wheel = next((tmp_path / "dist").glob("seglight-*.whl"))
    empty, elsewhere = tmp_path / "empty", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(empty), str(wheel))
    program = "import seglight; print(seglight.__file__, seglight.compose('model=fcn8s', 'data=voc').axes.encoder)"
    answer = run(sys.executable, "-c", program, cwd=elsewhere, env={"PYTHONPATH": str(empty)})
    assert str(empty) in answer.stdout
    assert "vgg16_fc" in answer.stdout
