"""What `resume=RUN key=value` changes in a run's config: the key, and every value that is made from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from seglight import mistakes
from seglight.config import build, check_kinds, conf_dir, resolve
from seglight.overrides import is_trusted, key_of, parsed, readable
from seglight.runs.composed import check_references, portable
from seglight.runs.credentials import refuse_secrets
from seglight.runs.trust import check_targets
from seglight.values import shortened

if TYPE_CHECKING:
    from seglight.runs.run import Run

log = logging.getLogger(__name__)

# What a run that goes on keeps, with the reason.
KEPT = {
    "seed, which its order of images comes from": ("seed", "data.seed"),
    "network; init_from= starts another run with its weights": (
        "model_name", "encoder", "decoder", "skips", "aux", "net", "data.num_classes", "init_from", "init_source",
    ),
    "images and their split": tuple(
        f"data.{name}"
        for name in (
            "_target_", "name", "fold", "folds", "fold_seed", "val_fraction", "split_seed", "images_seed", "lists",
            "train_images", "val_images", "train_split", "split", "classes", "class_table", "images", "masks", "size",
            "year", "coarse", "border", "module", "chunks", "bands",
            "channels", "value_range", "nodata", "axes", "exif", "mask_tolerance", "tile", "tile_overlap",
            "group", "stratify", "fraction",
        )
    ),
}  # fmt: skip
OWN = ("resume", "resume_sweep", "sweep", "trial", "trust", "axes")  # what seglight itself writes into a config


class Finished(ValueError):
    """A run that has trained as long as its config says."""


def plan(
    path: str | Path, overrides: Sequence[str], check: Callable[[DictConfig], None] | None = None
) -> tuple[Run, DictConfig | None, DictConfig, list[str]]:
    """What `Run.resume` will write: (run, config with interpolations, resolved config, overrides); see there."""
    from seglight.runs.run import load_run, read_yaml

    trust = is_trusted(overrides)
    changes = [text for text in overrides if key_of(text) != "trust"]
    refuse_other_kind("resume", path)
    run = load_run(path, trust=trust)
    file = run.path / "composed.yaml"
    stored = read_yaml(file) if file.is_file() else None
    if stored is not None and not trust:
        check_references(stored, file)
    before = None if stored is None else composed_of(run, stored)
    if changes and before is None:
        log.warning("%s: the given keys change, values that were made from them do not", path)
    composed, cfg = change(run, before, changes)
    cfg.resume = composed.resume = str(path)
    check_kinds(cfg)
    refuse_secrets(cfg)
    if not trust:
        check_targets(cfg, run.path / "config.yaml")  # the last word on what will be built
    for key in ("data", "loss", "optim", "schedule", "freeze") if changes else ():
        build(cfg, key)  # says what is wrong with its values; the network, which cannot change, would take long
    if changes and check:
        check(cfg)
    refuse_no_work(run, cfg, changes)
    return run, None if before is None else composed, cfg, changes


def refuse_other_kind(key: str, path: str | Path) -> None:
    """ValueError where `resume` names a sweep's folder, or `resume_sweep` a run's."""
    folder = Path(path)
    one, several = (folder / "config.yaml").is_file(), any(folder.glob("*/config.yaml"))
    if key == "resume" and several and not one:
        if not (folder / "multirun.yaml").is_file():
            inside = shortened(sorted(p.parent.name for p in folder.glob("*/config.yaml")))
            raise ValueError(f"resume={path}: this is a folder of runs, {inside}; resume={path}/... takes one")
        raise ValueError(f"resume={path}: this is a sweep's folder; {quote(f'resume_sweep={path}')} continues its runs")
    if key == "resume_sweep" and one:
        raise ValueError(f"resume_sweep={path}: this is one run; {quote(f'resume={path}')} continues it")


def change(run: Run, composed: DictConfig | None, overrides: Sequence[str]) -> tuple[DictConfig, DictConfig]:
    """The run's config after the overrides: with interpolations, and resolved; the run's own files stay as they are.

    Without `composed` only the keys themselves change. ValueError for a group, an unknown key, and what a run keeps.
    """
    cfg = (run.cfg if composed is None else composed).copy()
    resolved = resolve(cfg)
    before = dict(values(OmegaConf.to_container(resolved)))  # with the keys that have come since the run was made
    for text in overrides:
        where = f"resume={run.path} {text}"
        try:
            apply(cfg, text)
            resolved = resolve(cfg)
        except OmegaConfBaseException as error:
            raise ValueError(f"{where}: {mistakes.first_line(str(error))}") from None
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        for key, value in values(OmegaConf.to_container(resolved)):
            kept = next((what for what, keys in KEPT.items() if within(key, keys)), None)
            if kept and (key not in before or before[key] != value):
                raise ValueError(f"{where}: a resumed run keeps its {kept}")
    return portable(cfg, resolved), resolved


def apply(cfg: DictConfig, text: str) -> None:
    """Sets the key of one override, in place."""
    override = parsed(readable(text))
    assert override is not None
    key, value = override.key_or_group, override.value()
    if override.is_delete() or override.is_sweep_override():
        raise ValueError("expected key=value")
    here = OmegaConf.select(cfg, key)
    if "/" in key or override.package is not None or (conf_dir() / key).is_dir() or OmegaConf.is_dict(here):
        what = next((what for what, keys in KEPT.items() if key in keys), f"{key}; only keys in it change")
        raise ValueError(f"a resumed run keeps its {what}")
    add = override.is_add() or override.is_force_add()
    OmegaConf.set_struct(cfg, not add)
    try:
        OmegaConf.update(cfg, key, value, merge=True, force_add=add)
    except (ConfigAttributeError, ConfigKeyError) as error:
        raise ValueError(mistakes.unknown_key(key, error.parent_node, conf_dir())) from None
    finally:
        OmegaConf.set_struct(cfg, None)  # type: ignore[arg-type]


def composed_of(run: Run, cfg: DictConfig) -> DictConfig | None:
    """composed.yaml, the run's config with its interpolations; None where it does not give what config.yaml holds.

    A config.yaml that was edited by hand counts, and knows no interpolations any more.
    """
    OmegaConf.set_struct(cfg, None)  # type: ignore[arg-type]
    cfg.pop("hydra", None)
    for key in OWN:
        if key in run.cfg:
            cfg[key] = run.cfg[key]
    try:
        now = dict(values(OmegaConf.to_container(resolve(cfg))))
    except (ValueError, OmegaConfBaseException):
        return None
    same = all(key in now and now[key] == value for key, value in values(OmegaConf.to_container(run.cfg)))
    return cfg if same else None


def refuse_no_work(run: Run, cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Finished where a completed run is asked for no more training; ValueError for less training than was done."""
    summary, old, new = run.summary, run.cfg.trainer, cfg.trainer
    epochs, steps = summary.get("epochs", 0), summary.get("steps", 0)
    if summary.get("status") != "completed":
        for key, done in (("max_epochs", epochs), ("max_steps", steps)):
            if limited(new[key]) and new[key] < done:
                raise ValueError(
                    f"trainer.{key}={new[key]}: {run.path} has already trained {done} {key.removeprefix('max_')}"
                )
        return
    by_steps = limited(old.max_steps) and steps >= old.max_steps  # perhaps amid an epoch
    epochs_left = not limited(new.max_epochs) or new.max_epochs >= epochs + (not by_steps)
    steps_left = not limited(new.max_steps) or new.max_steps > steps
    if not overrides or not epochs_left or not steps_left:
        key, done, what = ("max_steps", steps, "steps") if by_steps else ("max_epochs", epochs, "epochs")
        raise Finished(
            f"{run.path} has finished its {done} {what if done != 1 else what[:-1]}; "
            f"trainer.{key}={done + max(1, done // 2)} would go on"
        )


def limited(value: int | None) -> bool:
    """Whether max_epochs or max_steps is a limit."""
    return value is not None and value != -1


def within(key: str, keys: Sequence[str]) -> bool:
    """Whether a key is one of these or lies in one of them."""
    return any(key == one or key.startswith((f"{one}.", f"{one}[")) for one in keys)


def values(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every (key, value) of nested dictionaries; lists are entered where they hold dictionaries. Not seglight's own."""
    if isinstance(node, dict) and node:
        for name, value in node.items():
            if key or name not in OWN:
                yield from values(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for number, item in enumerate(node):
            yield from values(item, f"{key}[{number}]")
    else:
        yield key, node
