"""Who may import whom, so that the parts stay apart."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "seglight"
INSIDE = {"models": ("seglight.models",), "data": ("seglight.data",), "losses": ("seglight.losses",)}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] == "seglight"}


@pytest.mark.parametrize("folder", INSIDE)
def test_models_and_data_import_nothing_of_seglight_outside_themselves(folder: str) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        outside = {name for name in imported(path) if not name.startswith(INSIDE[folder])}
        assert not outside, f"{path} imports {outside}"


def test_metrics_import_nothing_of_seglight() -> None:
    assert imported(PACKAGE / "metrics.py") == set()


def test_nothing_but_a_command_imports_a_command() -> None:
    commands = {
        f"seglight.{name}"
        for name in ("train", "evaluate", "predict", "compare", "export", "check", "fetch", "dashboard")
    }
    for path in PACKAGE.rglob("*.py"):
        assert not imported(path) & commands, path


def test_inference_is_plain_torch() -> None:
    assert "lightning" not in (PACKAGE / "inference.py").read_text().replace("no Lightning", "")
