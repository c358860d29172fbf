"""Who may import whom: from the commands downwards, never upwards and never in a circle."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "seglight"
# What each part of the package may import from the others. A new folder, file or direction is to be added here.
ALLOWED = {
    # plain parts, which know nothing of the rest
    "models": "",
    "data": "",
    "losses": "",
    "metrics": "",
    "inference": "data models",
    "values": "",
    "extras": "",
    "overrides": "",
    "mistakes": "",
    "freeze": "values",
    "schedule": "values",
    "config": "extras mistakes overrides",
    "results": "config data",
    "ranks": "",
    "optim": "freeze values",
    "cli": "config extras mistakes overrides",
    # what trains
    "task": "freeze inference metrics optim",
    "runs": "cli config inference mistakes overrides ranks results",
    "callbacks": "config data freeze metrics ranks results runs",
    "training": "callbacks cli config data freeze models ranks runs task values",
    "sweeps": "callbacks cli config data extras models ranks results runs training values",
}
COMMANDS = ("train", "evaluate", "check", "inspect", "fetch", "dashboard")


def parts_imported(path: Path) -> set[str]:
    """The parts of seglight that a file imports, wherever in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "seglight":
            modules |= {f"seglight.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return {name.split(".")[1] for name in modules if name.startswith("seglight.")}


def files(part: str) -> list[Path]:
    single = PACKAGE / f"{part}.py"
    return [single] if single.is_file() else sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    assert files(part), f"{part} does not exist"
    for path in files(part):
        above = parts_imported(path) - set(ALLOWED[part].split()) - {part}
        assert not above, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(above))}"


def test_the_allowed_directions_have_no_circle() -> None:
    below: set[str] = set()
    while len(below) < len(ALLOWED):
        ready = {part for part, allowed in ALLOWED.items() if set(allowed.split()) <= below} - below
        assert ready, f"a circle among {sorted(set(ALLOWED) - below)}"
        below |= ready


def test_every_part_of_the_package_has_its_directions() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there == {*ALLOWED, *COMMANDS, "__init__"}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_imports_a_command(command: str) -> None:
    for path in PACKAGE.rglob("*.py"):
        assert command not in parts_imported(path), f"{path} imports the command {command}"


def test_inference_is_plain_torch() -> None:
    assert "import lightning" not in (PACKAGE / "inference.py").read_text()
