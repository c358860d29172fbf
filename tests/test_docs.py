"""What the documentation tells readers to type: every command composes, every link leads somewhere."""

from __future__ import annotations

import copy
import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from PIL import Image

import seglight
from seglight.cli import CommandLine
from seglight.config import conf_dir
from seglight.mistakes import refuse_groups
from tests.conftest import REPO

PAGES = sorted([*REPO.glob("*.md"), *(REPO / "docs").glob("*.md")])  # the studies' links: make docs
MADE = ("tree.md", "grid.md", "timm.md", "exports.md", "CHANGELOG.md")  # by commands of their own, or history
STUDIES = sorted((REPO / "experiments").rglob("README.md"))
TYPED = [page for page in [*PAGES, *STUDIES] if page.name not in MADE and "python -m seglight" in page.read_text()]


def lines(page: Path) -> Iterator[str]:
    """What a page says to type: the lines of its blocks, one that goes on as one, and whole commands in sentences."""
    text = page.read_text().replace("\\\n", " ")
    blocks = [*re.findall(r"^```(?:bash)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]
    blocks += re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    for line in "\n".join(blocks).splitlines():
        yield re.sub(r"(^|\s)#(\s.*|$)", "", line).strip()
    yield from re.findall(r"`(python -m seglight\.[^`|]+)`", re.sub(r"\s*\n\s*", " ", page.read_text()))


def typed(page: Path) -> list[str]:
    """Its commands, but for those with a hole (`...`)."""
    found = [line for line in lines(page) if re.search(r"-m seglight\.|docker run", line)]
    return list(dict.fromkeys(line for line in found if " ..." not in line and "=..." not in line))


def call(line: str) -> tuple[str, list[str]]:
    """A command line's command and arguments; Docker's entry point is `train`."""
    found = re.search(r"-m seglight\.(?P<command>\w+)(?P<rest>.*)", line) or re.search(
        r"docker run.*? seglight(?::cpu)?(?P<rest>( .*)?$)", line
    )
    assert found, line
    return found.groupdict().get("command", "train"), shlex.split(found["rest"])


@pytest.fixture(scope="module", autouse=True)
def _options_of_a_run() -> Iterator[None]:
    """`data=run` and `trainer=run`, which `evaluate` and `export` make of the run that they are given."""
    store = ConfigStore.instance()
    cfg = seglight.compose()  # Hydra's own options are stored by the first composition
    before = copy.deepcopy(store.repo)
    store.store(name="run", node=cfg.data, group="data")
    store.store(name="run", node=cfg.trainer, group="trainer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileConfigSource, "load_config", read_once())
        yield
    store.repo = before


def read_once() -> Any:
    """Hydra's reading of a config file, each file once: it parses 25 of them anew for every command."""
    read, kept = FileConfigSource.load_config, {}

    def load(self: Any, config_path: str) -> Any:
        key = (self.path, config_path)
        if key not in kept:
            kept[key] = read(self, config_path)
        return copy.deepcopy(kept[key])

    return load


def placed(override: str) -> str:
    """The override, with an option that exists where a placeholder (`data=NAME`) stands for one."""
    key, _, value = override.partition("=")
    stand_ins = {"data": "voc", "model": "unet", "encoder": "resnet18", "seed": "0"}
    return f"{key}={stand_ins[key]}" if key in stand_ins and value.isupper() else override


def first_job(overrides: list[str]) -> list[str]:
    """A sweep's first job; a range of numbers is left out. ValueError where another job's option does not exist."""
    chosen = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if not override.is_sweep_override():
            chosen.append(override.input_line)
        elif override.is_choice_sweep():
            values = list(override.sweep_string_iterator())
            group = conf_dir() / override.key_or_group
            if group.is_dir() and (unknown := [value for value in values if not (group / f"{value}.yaml").is_file()]):
                raise ValueError(f"{override.key_or_group}={','.join(unknown)}: no such option")
            chosen.append(f"{override.key_or_group}={values[0]}")
    return chosen


def composed(folder: str | None, name: str, overrides: list[str]) -> DictConfig:
    """As seglight.compose, but a study's config may lie in a folder of its own (`-cd FOLDER -cn NAME`)."""
    if folder is None:
        return seglight.compose(*overrides, config_name=name)
    refuse_groups(overrides, conf_dir())
    with initialize_config_dir(str(REPO / folder), version_base="1.3"):
        return compose(name, [f"hydra.searchpath=[file://{conf_dir()}]", *overrides], return_hydra_config=True)


def refusals(line: str) -> Iterator[str]:
    """Why seglight would refuse a command before it begins to work."""
    command, arguments = call(line)
    folder = arguments[arguments.index("-cd") + 1] if "-cd" in arguments else None
    if {"--help", "--cfg"} & set(arguments) or folder == "conf":  # docs/extending.md: tests/test_extending.py runs it
        return
    if not conf_dir().joinpath(f"{command}.yaml").is_file():
        yield f"{line}: no such command"
        return
    try:
        parsed = CommandLine(arguments)
        composed(folder, parsed.study or command, first_job([placed(override) for override in parsed.overrides]))
    except Exception as error:
        yield f"{line}: {error}"


@pytest.mark.parametrize("page", TYPED, ids=lambda page: str(page.relative_to(REPO)))
def test_every_command_composes(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)
    refused = list(itertools.chain.from_iterable(map(refusals, typed(page))))
    assert not refused, "\n".join(refused)


def test_the_commands_are_found_and_a_wrong_one_is_refused() -> None:
    assert len([command for page in TYPED for command in typed(page)]) > 60
    assert "python -m seglight.train" in " ".join(typed(REPO / "README.md"))
    for wrong in ("model=fcn9s", "optim.lrr=1", "-m encoder=resnet18,resnet19", "--mm"):
        assert list(refusals(f"python -m seglight.train {wrong}")), wrong
    assert list(refusals("python -m seglight.trian"))
    assert list(refusals("docker run --gpus all seglight model=fcn9s"))


@pytest.mark.slow
def test_the_commands_of_the_first_hour_run(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "photo.jpg")
    pages = [REPO / "docs" / name for name in ("first_run.md", "sweeps.md", "compare.md")]
    named = [line for page in pages for line in typed(page) if "first" in line or page.name == "first_run.md"]
    assert len(named) > 8
    for line in dict.fromkeys(named):
        command, arguments = call(line)
        if command == "train" and not re.search("resume|--help", line):
            arguments += ["data.train_images=16", "data.val_images=4"]
        call_it = [sys.executable, "-m", f"seglight.{command}", *arguments]
        done = subprocess.run(call_it, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "compare" / "index.html").is_file()


def test_extras_and_targets_that_pages_name_exist() -> None:
    project: Any = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    targets = set(re.findall(r"^(\w+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"(?:seglight|\.)\[([a-z,]+)\]['\"]", page.read_text())
        assert {extra for names in named for extra in names.split(",")} <= extras, page
        assert {line.split()[1] for line in lines(page) if line.startswith("make ")} <= targets, page
    table = re.findall(r"^\| (`\w+`[^|]*) \|", (REPO / "docs/install.md").read_text(), re.MULTILINE)
    assert {extra for row in table for extra in re.findall(r"`(\w+)`", row)} == extras


def test_the_options_page_names_every_option() -> None:
    page = (REPO / "docs/options.md").read_text()
    for row in re.findall(r"^\| `(\w+)` \| (.*)$", page, re.MULTILINE):
        group, options = row[0], {path.stem for path in (conf_dir() / row[0]).glob("*.yaml")}
        missing = {option for option in options if not re.search(rf"`{option}[` ]|[\[,]{option}[\],]", row[1])}
        assert not missing or group == "encoder", f"{group}: {missing}"
    named = set(re.findall(r"`([\w/]+)`", " ".join(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE))))
    groups = {folder.name for folder in conf_dir().iterdir() if folder.is_dir() and folder.name != "hydra"}
    assert groups <= named
    keys = yaml.safe_load((conf_dir() / "train.yaml").read_text())
    own = {key for key, value in keys.items() if not isinstance(value, dict | list)} - {"model_name", "trial"}
    assert {key for key in own if not re.search(rf"`{key}[=`]", page)} == set()


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'id="seglight.config.compose"' in (tmp_path / "site" / "python" / "index.html").read_text()


def test_every_link_leads_to_a_file_and_every_page_is_in_the_site() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(REPO)}: {target}"
    site = yaml.load((REPO / "mkdocs.yml").read_text(), yaml.BaseLoader)
    named = re.findall(r"'([\w/]+\.md)'", str(site["nav"]))
    assert sorted(named) == sorted([*(path.name for path in (REPO / "docs").glob("*.md")), "studies.md"])
