"""Without an optional package, what needs it says which extra to install; all the rest works."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from seglight import compose
from seglight.config import build
from seglight.errors import message
from seglight.extras import EXTRAS
from tests.conftest import REPO


@pytest.mark.parametrize(
    ("overrides", "key", "package"),
    [
        (["encoder=timm"], "net", "timm"),
        (["encoder=efficientnet_lite0"], "net", "timm"),
        (["decoder=smp", "skips=none"], "net", "segmentation_models_pytorch"),
        (["loss=dice"], "loss", "segmentation_models_pytorch"),
        (["loss=ce_dice"], "loss", "segmentation_models_pytorch"),
        (["loss=focal"], "loss", "segmentation_models_pytorch"),
        (["loss=lovasz"], "loss", "segmentation_models_pytorch"),
    ],
)
def test_an_option_says_which_extra_it_needs(
    overrides: list[str], key: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("seglight.models.", "seglight.losses."))]:
        if name.endswith((".timm", ".efficientnet", ".smp", ".zoo")):
            parent, _, leaf = name.rpartition(".")
            monkeypatch.delattr(sys.modules[parent], leaf, raising=False)
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        build(compose(*overrides), key)
    assert str(caught.value) == f'{overrides[0]} needs the package {package}: pip install "seglight[zoo]"'


def test_a_plain_install_trains_and_evaluates() -> None:
    optional = [*EXTRAS, "segmentation_models_pytorch.base"]
    program = f"""
import sys
sys.modules.update(dict.fromkeys({optional!r}))  # as if they were not installed
import seglight.training.fit, seglight.evaluation.scoring, seglight.sources.listing
net = seglight.build_model(seglight.compose("model=fcn8s", "encoder=resnet18", "encoder.weights=null"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_logger_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning.fabric.loggers.tensorboard._TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr("lightning.fabric.loggers.tensorboard._TENSORBOARDX_AVAILABLE", False)
    with pytest.raises(ModuleNotFoundError, match=r'tensorboard: pip install "seglight\[tensorboard\]"'):
        build(compose("logger=tensorboard"), "logger.tensorboard", save_dir="logs")


def test_any_command_that_misses_a_package_says_how_to_install_it() -> None:
    error = ModuleNotFoundError("No module named 'wandb_workspaces'", name="wandb_workspaces.reports")
    assert message(error) == 'this command needs the package wandb_workspaces: pip install "seglight[dashboard]"'
    assert message(ModuleNotFoundError("No module named 'nowhere'", name="nowhere")) == "No module named 'nowhere'"


def test_every_extra_exists() -> None:
    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for package, extra in EXTRAS.items():
        name = {"skimage": "scikit_image"}.get(package, package)
        assert any(line.replace("-", "_").startswith(name) for line in extras[extra]), package
