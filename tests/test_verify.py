"""`python -m seglight.verify`: a run that is trained again is the same run; changed images are found before that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglight.data.fingerprint import fingerprint
from seglight.data.pair import Pair
from seglight.runs.run import Run
from seglight.sweeps.verification import changed_data, differences, judged
from tests.conftest import Command, new_run

pytestmark = pytest.mark.slow


def test_a_run_comes_out_bit_for_bit_and_a_changed_score_is_found(
    run_dir: Path, tmp_path: Path, command: Command
) -> None:
    shutil.copytree(run_dir, tmp_path / "sweep" / "0")
    done = command("verify", "runs=sweep", "n=1")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "sweep/0 came out bit for bit: every count of every image, every weight" in done.stdout
    assert done.stdout.splitlines()[-1] == "wrote: verify"
    old, again = Run(tmp_path / "sweep" / "0"), Run(tmp_path / "verify" / "0")
    file = next((old.path / "scores").glob("*.npz"))
    content = dict(np.load(file))
    np.savez(file, **{**content, "tp": content["tp"] // 2})
    came_out, words = judged(old, again, [old])
    assert not came_out
    assert words.startswith("did NOT come out, on the same device and versions: mIoU")
    old.update_summary(versions={**old.summary["versions"], "torch": "1.0"})
    assert differences(old, again)[0].startswith("torch 1.0 -> ")
    assert "No cell has two seeds" in judged(old, again, [old])[1]


def test_images_that_changed_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    pairs = []
    for number in range(6):
        image, mask = folder / f"{number}.jpg", folder / f"{number}.png"
        Image.fromarray(np.full((64, 64, 3), 40 * number, np.uint8)).save(image)
        Image.fromarray(np.eye(64, dtype=np.uint8)).save(mask)
        pairs.append(Pair(image, mask, str(number)))
    before = fingerprint(pairs)
    assert before == fingerprint(pairs)
    Image.fromarray(np.eye(64, k=1, dtype=np.uint8)).save(pairs[3].mask)
    assert fingerprint(pairs) != before
    assert fingerprint([Pair(folder / "none.jpg", None, "none")]) == ""
    run = new_run(tmp_path / "run")
    run.write_summary({**json.loads((run.path / "summary.json").read_text()), "data_hash": {"val": "other"}})
    assert changed_data(run) == ["val"]
