"""resume=RUN key=value: the key changes, with everything that follows from it, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import seglight
from seglight.runs.checkpoint import read_checkpoint
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK, Command

OPTIONS = (*QUICK, "schedule=constant", "optim=sgd", "predictions=0")


@pytest.fixture
def begun(tmp_path: Path) -> Run:
    """A run that has its directory and has not trained yet."""
    return Run.create(tmp_path / "run", seglight.compose(*OPTIONS), list(OPTIONS))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Run.create(tmp_path_factory.mktemp("trained") / "run", seglight.compose(*OPTIONS), list(OPTIONS))
    fit(made)
    made.update_summary(status="completed")
    return made.path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A run that has trained its one epoch."""
    return Run(shutil.copytree(trained, tmp_path / "run"))


def test_a_changed_rate_counts_from_the_next_step_on(run: Run) -> None:
    before = read_checkpoint(run.checkpoint_path("last"))["optimizer_states"][0]["param_groups"][0]
    resumed = Run.resume(run.path, ["optim.lr=1e-5", "optim.weight_decay=0.5", "trainer.max_epochs=2"])
    fit(resumed)
    checkpoint = read_checkpoint(run.checkpoint_path("last"))
    after = checkpoint["optimizer_states"][0]["param_groups"][0]
    assert checkpoint["epoch"] == 1
    assert before["lr"] != 1e-5
    assert (after["lr"], after["weight_decay"]) == (1e-5, 0.5)


def test_what_was_derived_from_a_key_changes_with_it(begun: Run) -> None:
    run = begun
    resumed = Run.resume(run.path, ["data.crop_size=48"])
    assert resumed.cfg.data.augment.transforms[0].size == resumed.cfg.augment.transforms[0].size == 48
    assert resumed.cfg.trainer.max_epochs == 1
    assert Run(run.path).cfg == resumed.cfg
    back = Run.resume(run.path, ["data.crop_size=64"])
    assert back.cfg.data.augment.transforms[0].size == back.cfg.data.crop_size == 64


def test_a_key_typed_as_another_one_keeps_following_it(tmp_path: Path) -> None:
    typed = [*OPTIONS, "data.eval_batch_size=${data.batch_size}", "+note=${oc.env:HOME}"]
    run = Run.create(tmp_path / "a=b, (c) $d", seglight.compose(*typed), typed)
    assert Run(run.path).overrides == typed
    assert "oc.env" not in (run.path / "composed.yaml").read_text()
    assert Run.resume(run.path, ["data.batch_size=2"]).cfg.data.eval_batch_size == 2
    resumed = Run.resume(run.path, ["augment.transforms.0.scale=[0.9,1.1]"])
    assert resumed.cfg.data.augment.transforms[0].scale == [0.9, 1.1]


def test_a_study_whose_options_come_from_its_primary_config_is_resumed_from_what_it_composed(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", seglight.compose(*QUICK, "optim=fcn_paper", "augment=none"), ["seed=0"])
    resumed = Run.resume(run.path, ["optim.lr=0.5", "data.eval_batch_size=2"])
    assert (resumed.cfg.optim.lr, resumed.cfg.optim.bias_lr) == (0.5, run.cfg.optim.bias_lr)
    assert resumed.cfg.augment == run.cfg.augment


def test_an_edited_config_counts(begun: Run, caplog: pytest.LogCaptureFixture) -> None:
    text = (begun.path / "config.yaml").read_text()
    (begun.path / "config.yaml").write_text(text.replace("predictions: 0", "predictions: 3"))
    resumed = Run.resume(begun.path, ["data.batch_size=2"])
    assert (resumed.cfg.predictions, resumed.cfg.data.batch_size) == (3, 2)
    assert "values that were made from them do not" in caplog.text


@pytest.mark.parametrize("changes", [[], ["trainer.max_epochs=1"], ["optim.lr=0.5"], ["optim.lr=-1"], ["optim.lr=x"]])
def test_a_finished_run_that_is_asked_for_no_more_stays_as_it_is(changes: list[str], run: Run) -> None:
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    says = r"has finished its 1 epoch; trainer.max_epochs=2 would go on" if "-1" not in str(changes) else r"optim.lr=-1"
    with pytest.raises(ValueError, match=r"optim\.lr=x" if "optim.lr=x" in changes else says):
        Run.resume(run.path, changes)
    assert {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()} == before


def test_the_command_line_changes_a_key_of_a_run_and_of_a_sweep(run: Run, command: Command) -> None:
    answer = command("train", f"resume={run.path}", "trainer.max_epochs=2")
    assert answer.returncode == 0, answer.stderr
    assert Run(run.path).summary["epochs"] == 2
    answer = command("train", f"resume={run.path}")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == f"{run.path} has finished its 2 epochs; trainer.max_epochs=3 would go on\nrun: {run.path}\n"
    run.update_summary(status="failed")
    answer = command("train", f"resume_sweep={run.path.parent}", "trainer.max_epochs=3")
    assert answer.returncode == 0, answer.stderr
    assert Run(run.path).summary["epochs"] == 3


@pytest.mark.parametrize("status", ["waiting", "running", "completed", "failed", "interrupted"])
def test_a_run_is_replaced_only_where_it_ended_before_its_first_checkpoint(status: str, begun: Run) -> None:
    begun.update_summary(status=status)
    other = seglight.compose(*OPTIONS, "seed=2")
    if status in ("failed", "interrupted"):
        assert Run.create(begun.path, other, []).cfg.seed == 2
        return
    with pytest.raises(ValueError, match=r"holds a run: resume=.* continues it, another hydra\.run\.dir"):
        Run.create(begun.path, other, [])
    other.sweep = "mine"
    with pytest.raises(ValueError, match=rf"holds a run: resume_sweep={begun.path.parent} continues its sweep"):
        Run.create(begun.path, other, [])
    assert Run(begun.path).cfg.seed == 0


@pytest.mark.parametrize("killed", ["with an earlier last.ckpt", "before the first last.ckpt"])
def test_a_run_killed_between_its_two_checkpoints_goes_on_from_the_best(killed: str, run: Run) -> None:
    """Epoch 2 was the best and its best.ckpt is there; last.ckpt was yet to be written."""
    best, last = run.checkpoint_path("best"), run.checkpoint_path("last")
    newer = read_checkpoint(best)
    newer["global_step"] += 2
    newer["callbacks"]["Best"]["step"] += 2
    torch.save(newer, best)
    if killed.startswith("before"):
        last.unlink()
    run.update_summary(status="running")
    Run.resume(run.path, ["trainer.max_epochs=3"])
    assert last.read_bytes() == best.read_bytes()
    older = {**newer, "global_step": newer["global_step"] + 2}  # a later epoch that was not better
    torch.save(older, last)
    before = last.read_bytes()
    Run.resume(run.path, ["trainer.max_epochs=4"])
    assert last.read_bytes() == before


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optim=adamw", "a resumed run keeps its optim"),
        ("model=fcn8s", "a resumed run keeps its model"),
        ("seed=3", "a resumed run keeps its seed"),
        ("encoder.channels=[8,8]", "a resumed run keeps its network"),
        ("data.train_images=5", "a resumed run keeps its images and their split"),
        ("+data.chunks=s3://other", "a resumed run keeps its images and their split"),
        ("+data.tile=32", "a resumed run keeps its images and their split"),
        ("data.split=test", "a resumed run keeps its images and their split"),
        ("optim.leaning_rate=1", "optim.leaning_rate"),
        ("optim.lrr=1", "did you mean optim.lr"),
        ("predictions=-3", "predictions=-3: expected a whole number"),
        ("loss._target_=os.system", "loss._target_=os.system"),
    ],
)
def test_what_cannot_change_is_refused_and_nothing_is_written(override: str, says: str, begun: Run) -> None:
    run = begun
    before = (run.path / "config.yaml").read_text()
    with pytest.raises(ValueError, match=says):
        Run.resume(run.path, [override])
    assert (run.path / "config.yaml").read_text() == before


def test_resume_is_of_one_run_and_secrets_are_refused_before_a_folder_is_made(command: Command, tmp_path: Path) -> None:
    answer = command("train", "-m", f"resume={tmp_path / 'run'}", "seed=1,2")
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert "resume_sweep=FOLDER" in answer.stderr
    answer = command("train", "-m", *QUICK, "+data.password=12345678", "seed=1,2")
    assert answer.returncode == 1
    assert "data.password holds a key or password" in answer.stderr
    assert not (tmp_path / "multirun").exists()
