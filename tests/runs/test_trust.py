"""A run directory from elsewhere runs no code, writes nowhere else, and one of ours gives no secret away."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import seglight
from seglight.config import conf_dir, resolve
from seglight.data.cityscapes import Cityscapes
from seglight.data.shapes import Shapes
from seglight.evaluate import evaluate
from seglight.models.encoders.efficientnet import efficientnet_lite
from seglight.runs.checkpoint import read_checkpoint
from seglight.runs.credentials import refuse_secrets, refuse_typed_secrets
from seglight.runs.run import Run
from seglight.runs.trust import known_targets
from seglight.sweeps.verification import changed_data
from seglight.training.fit import initialise
from tests.conftest import QUICK, Command, Composed

TOKEN = "0123456789abcdef0123456789abcdef01234567"  # of W&B's length, made up


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory as training begins it."""
    return Run.create(tmp_path / "run", resolve(seglight.compose(*QUICK)), list(QUICK)).path


def with_change(run: Path, key: str, value: Any) -> Path:
    cfg = OmegaConf.load(run / "config.yaml")
    OmegaConf.update(cfg, key, value, force_add=True)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    return run


HOSTILE = [
    ("net.encoder._target_", "os.system"),
    ("net._target_", "hydra.utils.get_method"),
    ("optim.optimizer._target_", "subprocess.Popen"),
    ("data.augment", {"transforms": [{"_target_": "albumentations.Lambda", "_partial_": True}]}),
    ("trainer.callbacks", [{"nested": [[{"_target_": "builtins.exec", "_args_": ["..."]}]]}]),
    ("loss._target_", {"_target_": "os.system"}),
    ("schedule._target_", None),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_a_target_that_is_not_seglights_needs_trust(key: str, value: Any, run: Path) -> None:
    with pytest.raises(
        ValueError, match=r"config\.yaml: \S*_target_=.* does not appear in seglight's configs.*trust=true"
    ):
        seglight.load_run(with_change(run, key, value))
    assert seglight.load_run(run, trust=True).path == run


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("composed.yaml", "loss: {_target_: builtins.print}\n", None),
        ("composed.yaml", "leak: ${oc.env:HOME}\n", "composed.yaml: leak=.* would be filled in from this machine"),
        ("composed.yaml", "leak: '${oc.select:${oc.env:HOME}}'\n", "would be filled in from this machine"),
    ],
)
def test_no_file_of_a_foreign_run_changes_what_is_built(file: str, text: str, says: str | None, run: Path) -> None:
    whole = OmegaConf.merge(OmegaConf.load(run / file), OmegaConf.create(text))
    (run / file).write_text(OmegaConf.to_yaml(whole))
    before = Run(run).cfg
    if says:
        with pytest.raises(ValueError, match=says):
            Run.resume(run, ["data.batch_size=2"])
    else:
        assert Run.resume(run, ["data.batch_size=2"]).cfg.loss == before.loss
    assert "HOME" not in (run / "config.yaml").read_text()


@pytest.mark.parametrize(
    "typed", ["trust=true", "trust=True", "+trust=true", "++trust=TRUE", "trust=no", "trust=false"]
)
def test_trust_is_read_as_hydra_reads_it(typed: str, run: Path) -> None:
    with_change(run, "loss._target_", "builtins.print")
    if typed in ("trust=no", "trust=false"):
        with pytest.raises(
            ValueError, match="expected true or false" if "no" in typed else "does not appear in seglight"
        ):
            Run.resume(run, [typed])
    else:
        assert Run.resume(run, [typed]).cfg.loss["_target_"] == "builtins.print"


@pytest.mark.parametrize("name", ["../../out", "/tmp/seglight-out", "a/../../../out", "link/out"])
def test_evaluate_writes_inside_the_run(name: str, run: Path, tmp_path: Path, composed: Composed) -> None:
    (run / "evaluate").mkdir()
    (run / "evaluate" / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leads out of"):
        evaluate(composed(f"run={with_change(run, 'data.name', name)}"))
    assert not [*tmp_path.rglob("out*"), *Path("/tmp").glob("seglight-out*")]


def test_evaluate_follows_no_link_out_of_the_run(run: Path, tmp_path: Path, composed: Composed) -> None:
    (run / "evaluate" / "shapes_val").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    (run / "evaluate" / "shapes_val" / "metrics.json").symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match=r"metrics\.json leads out of"):
        evaluate(composed(f"run={run}"))
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_encoders_name_imports_no_package_of_that_name(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder\.name=x: one of lite0, lite1, lite2, lite3, lite4 is needed"):
        efficientnet_lite("x")


@pytest.mark.parametrize(("name", "argument"), [("evaluate", "run"), ("train", "resume")])
def test_commands_run_nothing_that_a_foreign_config_names(
    name: str, argument: str, run: Path, command: Command, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    node = {"_target_": "tests.failing.leave", "path": str(marker), "split": "val", "num_classes": 9, "name": "shapes"}
    with_change(run, "data", node)
    answer = command(name, f"{argument}={run}")
    assert answer.returncode == 1
    assert "data._target_=tests.failing.leave does not appear in seglight's configs" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not marker.exists()
    if name == "train":
        command(name, f"{argument}={run}", "trust=true")
        assert marker.is_dir()  # it would have been run


def test_weights_and_data_of_a_foreign_run_build_nothing_that_its_config_names(run: Path) -> None:
    """init_from=RUN builds the run's network, verify its data set, to see whether that is the same."""
    with_change(run, "net._target_", "shutil.copyfile")
    cfg = seglight.compose(*QUICK, f"init_from={run}")
    with pytest.raises(ValueError, match=r"shutil\.copyfile does not appear in seglight's configs"):
        initialise(torch.nn.Identity(), cfg)
    Run(run).update_summary(data_hash={"val": "0"})
    with pytest.raises(ValueError, match=r"shutil\.copyfile does not appear in seglight's configs"):
        changed_data(Run(run))


def test_what_seglight_writes_itself_needs_no_trust(run: Path) -> None:
    built = seglight.load_run(run).untrained_net().state_dict()
    assert built.keys() == seglight.build_model(seglight.compose(*QUICK)).state_dict().keys()
    assert {"seglight.models.EncoderDecoder", "torch.optim.SGD", "albumentations.Compose"} <= known_targets()
    assert not known_targets() & {"???", None}
    assert (conf_dir() / "train.yaml").is_file()


@pytest.mark.parametrize("value", ["${oc.env:SECRET_OF_THE_READER}", "s3://evil/${oc.env:HOME}", "${seed}"])
def test_a_foreign_config_reads_nothing_of_the_machine(value: str, run: Path) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text + f"leak: '{value}'\n")
    with pytest.raises(ValueError, match=r"config\.yaml: leak=.* would be filled in from this machine.*trust=true"):
        seglight.load_run(run)


@pytest.mark.parametrize("trust", [False, True])
def test_a_yaml_tag_runs_nothing(trust: bool, run: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (run / "config.yaml").write_text(f"net: !!python/object/apply:os.mkdir ['{marker}']\n")
    with pytest.raises(ValueError, match=r"config\.yaml cannot be read as a config: .*python/object/apply"):
        _ = seglight.load_run(run, trust=trust).cfg
    assert not marker.exists()


class Hostile:
    """What pickle calls when it reads this."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_hostile_checkpoint_runs_nothing_even_where_the_run_is_trusted(form: str, run: Path, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", run / "checkpoints" / "best.ckpt"
    content = {"state_dict": {"net.a": Hostile(marker)}, "global_step": 1}
    if form == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    shutil.copy(path, run / "checkpoints" / "last.ckpt")
    for read in (
        lambda: read_checkpoint(path),
        lambda: seglight.load_run(run, trust=True).net,
        lambda: seglight.load_run(run, trust=True).steps(),
    ):
        with pytest.raises(ValueError, match=r"\.ckpt is not a checkpoint that can be read safely"):
            read()
    assert not marker.exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/seglight-out", "a/../../out", "link/out"])
def test_a_prediction_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "predictions"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    mask = np.zeros((4, 4), np.uint8)
    for data in (Shapes(num_workers=0), Cityscapes(root=tmp_path, num_workers=0)):
        with pytest.raises(ValueError, match="leads out of"):
            data.save_prediction(mask, name, folder)
        assert data.save_prediction(mask, "a", folder) == folder / "a.png"
    assert not [*tmp_path.glob("*out*"), *tmp_path.glob("run/*out*")]
    assert not Path("/tmp/seglight-out.png").exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (f"+logger.wandb.api_key={TOKEN}", "logger.wandb.api_key"),
        ("+data.hub_token=hf_abc", "data.hub_token"),
        (f"+data.token={TOKEN}", "data.token"),
        ("+data.key=3f2504e0-4f89-11d3-9a0c-0305e82c3301", "data.key"),
        ("+data.password=open", "data.password"),
        (f"+note={TOKEN}", "note holds the value of $WANDB_API_KEY"),
        ("+note=${oc.env:WANDB_API_KEY}", "note holds the value of $WANDB_API_KEY"),
        ("data.root=https://me:hunter2@example.org/data", "data.root"),
    ],
)
def test_a_secret_in_a_config_is_refused_before_it_is_written(
    override: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = OmegaConf.create(OmegaConf.to_container(seglight.compose(*QUICK)))
    key, _, value = override.lstrip("+").partition("=")
    OmegaConf.update(cfg, key, value, force_add=True)
    monkeypatch.setenv("WANDB_API_KEY", TOKEN)
    with pytest.raises(ValueError, match="no secret may be in it") as refused:
        Run.create(tmp_path / "run", resolve(cfg), [override])
    assert says in str(refused.value)
    assert TOKEN not in str(refused.value)
    assert not (tmp_path / "run").exists()
    refuse_secrets(seglight.compose(*QUICK), {"MONKEY": "unet_narrow", "CACHE_KEY": "unet_narrow"})


@pytest.mark.parametrize("override", ["+encoder.pos_token=cls", "+data.primary_key=id", "+data.key=sample_id_2024_v2"])
def test_a_word_is_no_secret(override: str) -> None:
    refuse_typed_secrets([override])
    refuse_secrets(seglight.compose(*QUICK, override))


@pytest.mark.slow
def test_no_token_of_the_environment_is_in_a_run_directory(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    secrets = {"WANDB_API_KEY": TOKEN, "HF_TOKEN": "hf_" + TOKEN, "AWS_SECRET_ACCESS_KEY": TOKEN[::-1]}
    options = ["logger=wandb", "logger.wandb.mode=offline", f"hydra.run.dir={run}"]
    answer = command("train", *QUICK, *options, **secrets)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    files = [p for p in run.rglob("*") if p.is_file()]
    assert any(p.suffix == ".wandb" for p in files)
    for file in files:
        content = file.read_bytes()
        assert not [name for name, value in secrets.items() if value.encode() in content], file
    refused = command("train", *QUICK, f"+logger.wandb.api_key={TOKEN}", "hydra.run.dir=refused")
    assert refused.returncode == 1
    assert not [p for p in (tmp_path / "refused").rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
