"""Several ranks: one run directory, the scores and weights of one process."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import seglight
from seglight.results.image_scores import ImageScores
from tests.conftest import QUICK, REPO, TWO_RANKS, Command, start

# A program, by two ranks as torchrun would start them.
TWICE = """
import os, runpy, socket, sys
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ.update(WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
os.environ["TORCHELASTIC_RUN_ID"] = "two ranks"
other = os.fork()
os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if other else "1"
runpy.run_path({program!r}, run_name="__main__")
sys.exit(other and os.waitpid(other, 0)[1])
"""


def confusion(run: Path) -> list[list[str]]:
    return list(csv.reader((run / "evaluate" / "shapes_val" / "confusion.csv").open()))


@pytest.mark.slow
def test_two_ranks_score_one_image_once(command: Command, tmp_path: Path) -> None:
    run, images = tmp_path / "run", 1  # the second rank has none
    answer = command("train", *QUICK, *TWO_RANKS, f"data.val_images={images}", f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert command("evaluate", f"run={run}").returncode == 0  # one process
    summary = seglight.load_run(run).summary
    pixels = sum(int(value) for row in confusion(run)[1:] for value in row[1:])
    assert summary["devices"] == 2
    assert pixels == images * 64 * 64
    right = sum(int(row[i + 1]) for i, row in enumerate(confusion(run)[1:]))
    assert summary["val/pixel_acc"] == pytest.approx(right / pixels, abs=1e-12)


@pytest.mark.slow
def test_a_program_that_trains_when_it_is_imported_has_two_ranks_too(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("from seglight.train import main\nmain()\n")
    process = start(tmp_path, "program", *QUICK, *TWO_RANKS, f"hydra.run.dir={tmp_path / 'run'}")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert seglight.load_run(tmp_path / "run").summary["devices"] == 2


@pytest.mark.slow
def test_a_gradual_run_on_two_ranks_equals_the_one_process_run_at_the_same_global_batch(
    command: Command, tmp_path: Path
) -> None:
    small = [*(a for a in QUICK if not a.startswith("data.batch_size")), "augment=none", "model=unet"]
    small += ["encoder.channels=[8,16,16]", "encoder.dropout=0", "freeze=gradual", "optim=sgd", "schedule=poly"]
    small += ["trainer.max_epochs=3"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert command("train", *small, "data.batch_size=4", f"hydra.run.dir={one}").returncode == 0
    answer = command("train", *small, "data.batch_size=2", *TWO_RANKS, f"hydra.run.dir={two}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    first, second = seglight.load_run(one, "last").weights(), seglight.load_run(two, "last").weights()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)
    images = ImageScores.read(two / "scores" / "shapes_val.npz")  # every rank's, in the split's order
    assert images.names.tolist() == [f"val_{i:04d}" for i in range(4)]
    np.testing.assert_array_equal(images.gt, ImageScores.read(one / "scores" / "shapes_val.npz").gt)
    assert images.tp.sum() / images.gt.sum() == pytest.approx(seglight.load_run(two).summary["val/pixel_acc"], abs=1e-9)


def test_one_process_and_two_ranks_count_the_same_confusion_matrices(script: Command, tmp_path: Path) -> None:
    program = str(REPO / "experiments" / "benchmarks" / "exact_evaluation" / "confusion.py")
    answer = script(f"import runpy; runpy.run_path({program!r}, run_name='__main__')", str(tmp_path / "one"))
    assert answer.returncode == 0, answer.stderr
    answer = script(TWICE.format(program=program), str(tmp_path / "two"))
    assert answer.returncode == 0, answer.stderr
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one", "two"))
    assert (one["ranks"], two["ranks"]) == (1, 2)
    assert one["confusion"] == two["confusion"]
    pixels = {images: sum(map(sum, matrix)) for images, matrix in one["confusion"].items()}
    assert pixels == {str(images): images * 64 * 64 for images in (1, 2, 7, 101)}
