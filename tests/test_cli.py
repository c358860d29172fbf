"""What is typed: values of any kind, mistakes in one line, on every command."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seglight
from seglight.cli import CommandLine
from seglight.overrides import readable
from seglight.runs.run import Run
from tests.conftest import QUICK

Answer = tuple[int, str]
NAMES = [
    "a b",
    "a=b",
    "a,b",
    "(a)",
    "[a]",
    "{split}",
    "it's",
    "a$b",
    "한글",
    "a:b",
    "2024",
    "1e3",
    "true",
    " a ",
    '"a"',
]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`typed("train", "model=unet")` in this process and an empty folder: the exit code and what was written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # a command changes it

    def run(name: str, *arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.delitem(sys.modules, f"seglight.{name}", raising=False)
        try:
            runpy.run_module(f"seglight.{name}", run_name="__main__")
            code = 0
        except SystemExit as end:
            if isinstance(end.code, str):
                return 1, capsys.readouterr().out + end.code
            code = int(end.code or 0)
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["resume", "run", "data.root", "hydra.run.dir", "init_from"])
def test_a_path_is_what_was_typed(key: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    for path in (name, f"/x/{name}/y", str(tmp_path / name)):
        assert CommandLine([f"{key}={path}"]).value(key) == path


@pytest.mark.parametrize("text", ["{split}/*.jpg", "a=b", "[x]/y", "x (1)", "한글 [2]", "a(b", "{", "it's", "~x"])
def test_any_value_that_hydras_grammar_refuses_is_a_string(text: str) -> None:
    assert seglight.compose(f"+note={text}").note == text


def test_hydras_own_forms_stay() -> None:
    cfg = seglight.compose("optim.lr=1e-2", "data.crop_size=[64,32]", "encoder.weights=null", "+a={b: 1}", "+c='x y'")
    assert (cfg.optim.lr, cfg.data.crop_size, cfg.encoder.weights, cfg.a.b, cfg.c) == (0.01, [64, 32], None, 1, "x y")
    assert readable("data.root=/a (1),/b", sweeps=True) == "data.root='/a (1)',/b"
    assert CommandLine(["-m", "freeze=none,encoder"]).overrides == ["freeze=none,encoder"]
    assert CommandLine(["seed=1", "-m", "loss=ce"]).overrides == ["seed=1", "loss=ce"]


def test_the_home_folder() -> None:
    assert CommandLine(["run=~/x"]).value("run") == str(Path.home() / "x")


def test_compose_takes_overrides_one_by_one() -> None:
    with pytest.raises(TypeError, match="each override is a string of its own"):
        seglight.compose(["model=fcn8s", "data=voc"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"model=fcn8s data=voc.*an argument of its own"):
        seglight.compose("model=fcn8s data=voc")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("train modle=fcn8s", "modle does not exist: did you mean model?"),
        ("train model=fcn9s", "model=fcn9s: did you mean fcn8s?"),
        ("train optim.learning_rate=1", "optim.learning_rate does not exist; optim has "),
        ("train data=vco", "data=vco: did you mean voc? expected one of ade20k, camvid,"),
        ("train encoder=resnet5", "encoder=resnet5: did you mean resnet50?"),
        ("train optim.lrr=1", "did you mean optim.lr?"),
        ("train -m optim.lrr=1,2", "did you mean optim.lr?"),
        ("train hydra/launchr=joblib", "did you mean hydra/launcher?"),
        ("train data=folder", "data.num_classes=... data.root=... are needed"),
        ("check data=folder", "data.root=... are needed (data.class_table is data.root/classes.yaml)"),
        ("fetch", "data=... is needed: one of ade20k, camvid,"),
        ("evaluate", "run=... is needed"),
        ("evaluate run=", "run= is empty: expected a path"),
        ("evaluate run=nowhere", "nowhere is not a run directory"),
        ("train hydra.run.dir=", "hydra.run.dir= is empty: expected a path"),
        ("train hydra.run.dir=file/x", "hydra.run.dir=file/x: file is a file; expected a folder"),
        ("check out=file/x", "out=file/x: file is a file; expected a folder"),
        ("inspect picture=file/x.png", "picture=file: file is a file; expected a folder"),
        ("inspect size=abc", "size=abc: expected a number of pixels"),
        ("train seed=x", "seed=x: expected a whole number, 0 or more"),
        ("train channels_last=maybe", "channels_last=maybe: expected true or false"),
        ("train predictions=-3", "predictions=-3: expected a whole number, 0 or more"),
        ("train freeze=none,encoder", "freeze=none,encoder: several values need -m"),
        ("train --foo", "unrecognized arguments: --foo"),
        ("train trainer=3", "trainer=3: expected one of ddp, default, fsdp"),
        ("train data=null", "data=null: expected one of ade20k, camvid,"),
        ("train model=[fcn8s,unet]", "model takes one option; -m model=fcn8s,unet runs each"),
        ("train ~data", "~data: a group cannot be left out"),
        (
            "train freeze.n=2",
            "the options with n: freeze=gradual, freeze=gradual_discriminative, freeze=last_blocks, freeze=stages",
        ),
        ("train optim.lr=-1", "optim.lr=-1: a number from 0 is needed"),
        ("train data.batch_size=0", "data.batch_size=0: a whole number from 1"),
        ("train average=ema average.decay=2", "average.decay=2: a number from 0 and at most 1"),
        ("train encoder=resnet18 encoder.weights=imgnet", "encoder.weights=imgnet: no such file"),
        ("check trainer.limit_val_batches=3", "this command has no key trainer; it has"),
        ("inspect data.num_classes=-1", "data.num_classes=-1: a whole number from 2 is needed"),
        ("train foo", "foo: expected key=value"),
        ("train -cn nothing", "nothing"),
        ("train -m optim.lr=1e-3,1e-2 optim.lr=1", "optim.lr is given twice; give all values at once"),
        ("compare runs=a runs=b", "runs is given twice; runs=[A,B] takes several"),
        ("train -m resume=x", "resume=RUN continues one run, without -m"),
    ],
)
def test_a_mistake_is_one_line_and_makes_no_run(
    command: str, says: str, typed: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, answer = typed(*command.split())
    assert code == 1
    assert answer.startswith("error: ")
    assert says in answer
    assert answer.count("\n") == 0
    assert "http" not in answer
    assert not (tmp_path / "outputs").exists() or not [*(tmp_path / "outputs").glob("2*")]  # no run's folder


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("+data.foo=1", "data.foo=1: "),
        ("+loss.foo=1", "loss.foo=1: seglight.losses.cross_entropy.CrossEntropy does not read it"),
        ("+encoder.foo=1", "encoder.foo=1: seglight.models.encoders.unet.unet does not read it"),
        ("loss._target_=nowhere.Loss", "loss._target_=nowhere.Loss cannot be imported"),
    ],
)
def test_what_a_target_refuses_names_the_key(override: str, says: str) -> None:
    from seglight.config import build

    cfg = seglight.compose(*QUICK, override)
    with pytest.raises(ValueError, match=r"^[^\n]*$") as refused:
        build(cfg, "net" if "encoder" in override else override.lstrip("+").partition(".")[0])
    assert says in str(refused.value)


def test_a_run_is_recorded_as_it_was_typed(tmp_path: Path) -> None:
    overrides = ["data=camvid", "data.root='/a (1)'", "+note=${data.batch_size}", "seed=1"]
    run = Run.create(tmp_path / "run", seglight.compose(*overrides), overrides)
    assert Run(run.path).overrides == overrides


def test_only_what_was_written_is_said(typed: Callable[..., Answer]) -> None:
    code, answer = typed("fetch", "data=shapes")
    assert code == 0
    assert "wrote:" not in answer


def test_runs_of_the_same_second_have_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from omegaconf import OmegaConf

    from seglight.training.start import own_folder

    monkeypatch.chdir(tmp_path)
    OmegaConf.register_new_resolver("now", lambda _: "12-00-00", replace=True)
    for expected in ("out/12-00-00", "out/12-00-00-1", "out/12-00-00-2"):
        cfg = OmegaConf.create({"hydra": {"run": {"dir": "out/${now:x}"}, "overrides": {"hydra": []}}})
        own_folder(cfg, "run")
        assert cfg.hydra.run.dir == expected
        assert Path(expected).is_dir()
    cfg = OmegaConf.create({"hydra": {"run": {"dir": "out/12-00-00"}, "overrides": {"hydra": []}}})
    own_folder(cfg, "run")  # typed: Run.create says what lies there
    assert cfg.hydra.run.dir == "out/12-00-00"


@pytest.mark.parametrize("given", [{}, None, "model=fcn8s"])
def test_what_build_model_takes_is_said(given: object) -> None:
    with pytest.raises(TypeError, match=r"takes a config from seglight.compose"):
        seglight.build_model(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [3, None])
def test_what_load_run_takes_is_said(given: object) -> None:
    with pytest.raises(TypeError, match="the path of a run's folder is needed"):
        seglight.load_run(given)  # type: ignore[arg-type]
