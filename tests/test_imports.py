"""Who imports whom: from the commands downwards, never upwards and never in a circle."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "seglight"
# What each part of the package imports from the others, no more and no less. A new direction is to be added here.
ALLOWED = {
    # plain parts, which know nothing of the rest; `values` and `ignore` are below them all: they import nothing of it
    "values": "",
    "ignore": "",
    "background": "",
    "models": "ignore values",
    "colours": "ignore",
    "data": "colours ignore values",
    "losses": "ignore values",
    "deploy": "colours ignore values",
    "metrics": "ignore",
    "calibration": "ignore",
    "inference": "data models values",
    "peak_memory": "",
    "extras": "",
    "overrides": "",
    "mistakes": "values",
    "parts": "",
    "adapters": "values",
    "freeze_policy": "adapters parts values",
    "freeze": "adapters freeze_policy values",
    "schedule": "values",
    "config": "extras mistakes overrides",
    "results": "colours config data deploy ignore runs values",
    "ranks": "",
    "optim": "freeze_policy parts values",
    "errors": "config extras mistakes",
    "cli": "config errors mistakes overrides",
    # what trains
    "task": "adapters calibration freeze_policy ignore inference metrics optim schedule",
    "runs": "adapters colours config data deploy errors inference mistakes overrides ranks values",
    "objects": "background data deploy ignore values",
    "sources": "colours data deploy ignore inference objects results runs values",
    "callbacks": "background data deploy ignore metrics models objects parts peak_memory ranks results runs values",
    "training": (
        "adapters callbacks config data errors extras freeze_policy models overrides parts peak_memory ranks "
        "results runs task values"
    ),
    "sweeps": "callbacks config data errors extras mistakes overrides ranks results runs training values",
    "evaluation": (
        "calibration callbacks cli config data deploy errors inference metrics models objects overrides ranks results "
        "runs training values"
    ),
    "tables": "config deploy mistakes models",
    "run_facts": "data deploy models runs",
    "int8_cost": "deploy metrics",
    "run_options": "cli overrides runs",
    "speed": "deploy errors peak_memory runs",
}
COMMANDS = (
    "train",
    "evaluate",
    "predict",
    "export",
    "latency",
    "demo",
    "check",
    "inspect",
    "fetch",
    "convert",
    "dashboard",
    "compare",
    "verify",
)


@cache
def modules_imported(path: Path) -> set[str]:
    """What a file imports, wherever in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "seglight":
            modules |= {f"seglight.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def parts_imported(path: Path) -> set[str]:
    """The parts of seglight among them."""
    return {name.split(".")[1] for name in modules_imported(path) if name.startswith("seglight.")}


def files(part: str) -> list[Path]:
    single = PACKAGE / f"{part}.py"
    return [single] if single.is_file() else sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_what_is_stated_here(part: str) -> None:
    assert files(part), f"{part} does not exist"
    allowed, used = set(ALLOWED[part].split()), set()
    for path in files(part):
        imported = parts_imported(path) - {part}
        above = imported - allowed
        assert not above, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(above))}"
        used |= imported
    assert used == allowed, f"nothing in {part} imports {', '.join(sorted(allowed - used))}: leave it out"


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
    found = {name.split(".")[0] for name in modules_imported(PACKAGE / "inference.py")}
    assert "torch" in found
    assert not found & {"lightning", "pytorch_lightning", "hydra"}
