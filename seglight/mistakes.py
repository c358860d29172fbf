"""What Hydra and OmegaConf say about a wrong override or value, as one line: the key, and what it may be."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seglight.values import typed


def composition(error: BaseException, conf: Path) -> str:
    """Why a config could not be composed from the folder `conf`, in one line."""
    text, cause = str(error).strip(), error.__cause__
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={option}: {meant(option, error.options)}expected one of {', '.join(sorted(error.options))}"
    if found := re.match(r"You must specify '(\S+?)'", text):
        return f"{found[1]}=... is needed: one of {', '.join(options(conf, found[1]))}"
    if found := re.match(r"Could not override '(\S+?)'", text):
        return unknown_key(found[1], getattr(cause, "parent_node", None), conf, getattr(cause, "key", None))
    if found := re.match(r"Could not append to config. An item is already at '(\S+?)'", text):
        return f"+{found[1]}=...: {found[1]} is there already; {found[1]}=... sets it, without the +"
    if found := re.match(r"Multiple values for (\S+?)\.", text):
        return f"{found[1]} is chosen twice: {found[1]}=... picks another option, without a +"
    if found := re.match(r"Could not delete from config. '(\S+?)' does not exist", text):
        return f"~{found[1]}: there is no such key"
    if isinstance(cause, OmegaConfBaseException) or not text:
        reason = str(cause or error).strip() or type(cause or error).__name__
        return f"{text}: {first_line(reason)}" if text else first_line(reason)
    return first_line(text)


def unknown_key(key: str, parent: Any, conf: Path, lacking: Any = None) -> str:
    """The line for a key that does not exist, with what it may have been.

    lacking: which of the key's names `parent`, the node where it was looked for, does not have; null is the last one.
    """
    folder, _, name = key.rpartition(".")
    known = [str(name) for name in parent if not str(name).startswith("_")] if isinstance(parent, DictConfig) else []
    parts = key.split(".")
    if lacking is not None and str(lacking) in parts[:-1]:
        above = ".".join(parts[: parts.index(str(lacking))])
        return f"{key}: {above or 'this command'} has no key {lacking}; it has {', '.join(known)}"
    if not folder:
        known = sorted({*known, *groups(conf)})
    prefix = f"{folder}." if folder else ""
    there = f"; {folder} has {', '.join(known)}" if folder and known else ""
    if having := options_with(conf, folder, name):
        return f"{key} does not exist{there}; the options with {name}: {', '.join(f'{folder}={o}' for o in having)}"
    if isinstance(parent, DictConfig) and (target := parent.get("_target_")) and not may_read(str(target), name):
        return f"{key} does not exist{there}: {meant(name, known, prefix)}".rstrip(": ")
    return f"{key} does not exist{there}: {meant(name, known, prefix)}+{key}=... adds a new key"


def meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    """`did you mean X? `, where one of the known names is like this one."""
    close = difflib.get_close_matches(name, [str(other) for other in known], 1)
    return f"did you mean {prefix}{close[0]}? " if close else ""


def options(conf: Path, group: str) -> list[str]:
    """The names of a group's options."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def groups(conf: Path) -> list[str]:
    """The config groups, those inside others too."""
    return sorted(path.relative_to(conf).as_posix() for path in conf.rglob("*") if path.is_dir())


def options_with(conf: Path, group: str, name: str) -> list[str]:
    """The options of a group whose own file sets the key `name`."""
    files = sorted((conf / group).glob("*.yaml")) if group and "." not in group else []
    return [file.stem for file in files if re.search(rf"^{re.escape(name)}:", file.read_text(), re.MULTILINE)]


def refuse_groups(overrides: Iterable[str], conf: Path) -> None:
    """ValueError where a group is given something else than the name of an option (`logger` takes several)."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for override in OverridesParser.create().parse_overrides(list(overrides)):
        group = override.key_or_group
        if not (conf / group).is_dir() or override.is_sweep_override():
            continue
        expected = f"expected one of {', '.join(options(conf, group))}"
        if override.is_delete():
            raise ValueError(f"~{group}: a group cannot be left out; {group}=... picks another option: {expected}")
        value = override.value()
        if isinstance(value, list):
            if group != "logger":
                names = ",".join(map(str, value))
                raise ValueError(f"{group}={typed(value)}: {group} takes one option; -m {group}={names} runs each")
        elif not isinstance(value, str):
            raise ValueError(f"{group}={typed(value)}: {expected}")


def missing(cfg: DictConfig) -> str | None:
    """The line that names every key without a value, and the keys made from them; None where all have one."""
    given = dict(strings(OmegaConf.to_container(cfg, resolve=False)))
    keys = sorted(key for key, value in given.items() if value == "???")
    if not keys:
        return None
    made = [
        f"{key} is {value.replace('${', '').replace('}', '')}"
        for key, value in given.items()
        if any(f"${{{name}}}" in value and key.split(".")[0] == name.split(".")[0] for name in keys)
    ]
    also = f" ({', '.join(made)})" if made else ""
    return f"{' '.join(f'{key}=...' for key in keys)} {'is' if len(keys) == 1 else 'are'} needed{also}"


def strings(node: Any, key: str = "") -> Iterable[tuple[str, str]]:
    """Every (dotted key, string) of nested dictionaries."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from strings(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, str):
        yield key, node


def instantiation(error: InstantiationException, cfg: DictConfig, key: str) -> BaseException:
    """What to raise for a target that could not be built: a ValueError with the config key where values are wrong."""
    cause: BaseException | None = error.__cause__
    text = str(error)
    while isinstance(cause, InstantiationException):
        text, cause = str(cause), cause.__cause__
    found = re.search(r"full_key: (\S+)", text)
    full = found[1] if found else key
    if OmegaConf.select(cfg, full) is None:
        full = re.sub(r"([a-z_])(\d+)(?=\.|$)", r"\1[\2]", full)  # Hydra writes transforms[0] as transforms0
    node = OmegaConf.select(cfg, full)
    head, _, rest = full.partition(".")
    where = rest if head in ("net", "data") and rest.split(".")[0] in cfg else full  # data.augment is augment
    target = node.get("_target_", "?") if OmegaConf.is_dict(node) else "?"
    if text.startswith("Error locating target"):
        return ValueError(f"{where}._target_={target} cannot be imported{': ' + flat(cause) if cause else ''}")
    if isinstance(cause, TypeError | RuntimeError | ZeroDivisionError | IndexError):
        return ValueError(wrong_arguments(cause, where, node, str(target)))
    if isinstance(cause, ValueError) and hasattr(cause, "errors"):  # pydantic's
        wrong = cause.errors()[0]
        name = ".".join([where, *map(str, wrong["loc"])])
        return ValueError(f"{name}={wrong['input']}: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}")
    named = cause is not None and re.match(r"[\w.]+=", str(cause))  # it names the key that was typed
    if isinstance(cause, ValueError) and not named and where.split(".")[0] not in str(cause):
        return ValueError(f"{where}: {flat(cause)}")
    if isinstance(cause, AssertionError) or type(cause).__name__ == "MisconfigurationException":
        return ValueError(f"{where}: {flat(cause)}")
    return cause or ValueError(f"{where}: {first_line(text)}")


def wrong_arguments(error: BaseException, where: str, node: Any, target: str) -> str:
    """The line for a call that Python refused: a key too many, one too few, or a value of the wrong type."""
    text = str(error)
    many = re.search(r"unexpected keyword argument '(\w+)'", text)
    if many and OmegaConf.is_dict(node) and many[1] in node:
        takes = parameters(target)
        known = f"; it reads {', '.join(takes)}" if takes else ""
        plain: Any = OmegaConf.to_container(node, resolve=False)
        value = cut(plain[many[1]])
        return f"{where}.{many[1]}={value}: {meant(many[1], takes, f'{where}.')}{target} does not read it{known}"
    few = re.search(r"missing \d+ required .*?arguments?: (.*)", text)
    if few:
        names = re.findall(r"'(\w+)'", few[1])
        return f"{', '.join(f'{where}.{name}=...' for name in names)}: {target} needs it"
    values: Any = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_dict(node) else {}
    given = ", ".join(f"{k}={cut(v)}" for k, v in values.items() if not k.startswith("_") and not isinstance(v, dict))
    for name, kind in declared(target).items():
        if name in values and not fits(values[name], kind):
            return f"{where}.{name}={cut(values[name])}: {KINDS[kind.split(' ')[0]]} is needed"
    return f"{where}: {target} cannot take one of its values ({first_line(str(error))}): {given}"


KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}


def declared(target: str) -> dict[str, str]:
    """The arguments of a target that are declared as a single number, text or truth value, perhaps null."""
    from hydra.utils import get_object

    try:
        signature = inspect.signature(get_object(target)).parameters
    except (ValueError, TypeError, ImportError):
        return {}
    kinds = {name: str(getattr(p.annotation, "__name__", p.annotation)) for name, p in signature.items()}
    return {name: kind for name, kind in kinds.items() if kind.removesuffix(" | None") in KINDS}


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a declared kind."""
    if value is None:
        return kind.endswith("None")
    kinds = {"int": int, "float": (int, float), "bool": bool, "str": str}
    wanted: Any = kinds[kind.split(" ")[0]]
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def may_read(target: str, name: str) -> bool:
    """Whether a target may take an argument of this name."""
    from hydra.utils import get_object

    try:
        signature = inspect.signature(get_object(target)).parameters.values()
    except (ValueError, TypeError, ImportError):
        return True
    return name in parameters(target) or any(p.kind == inspect.Parameter.VAR_KEYWORD for p in signature)


def parameters(target: str) -> list[str]:
    """The names of the arguments that a target reads; a class's that passes others on include its bases'."""
    from hydra.utils import get_object

    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found: dict[str, None] = {}
    try:
        built = get_object(target)
        for step in built.__mro__[:-1] if inspect.isclass(built) else [built]:
            if inspect.isclass(step) and "__init__" not in vars(step):
                continue
            signature = inspect.signature(step).parameters.values()
            found.update(dict.fromkeys(parameter.name for parameter in signature if parameter.kind in kinds))
            if all(parameter.kind != inspect.Parameter.VAR_KEYWORD for parameter in signature):
                break
    except (ValueError, TypeError, ImportError):
        return []
    return list(found)


def cut(value: Any, longest: int = 60) -> str:
    """A value's text, cut where it is longer than so many characters."""
    text = str(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def flat(error: BaseException | None) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(text: str) -> str:
    """What a message says, without the lists and the links under it."""
    return text.strip().splitlines()[0].strip().rstrip(".:") if text.strip() else ""
