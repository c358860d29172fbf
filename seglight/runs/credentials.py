"""Keys and tokens do not belong in a config: it is kept in the run directory and sent to the logger."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seglight.runs.trust import leaves

NAMES = re.compile(
    r"(^|[_.-])((api|access|secret|private)_?key(_?id)?|key|secrets?|tokens?|password|passwd|credentials?)$",
    re.IGNORECASE,
)
# Keys with other meanings too (encoder.pos_token=cls, module.primary_key=id): their value decides.
AMBIGUOUS = re.compile(r"(^|[_.-])(key|tokens?)$", re.IGNORECASE)
SURE = re.compile(r"(api|access|secret|private)_?key$", re.IGNORECASE)
PREFIX = re.compile(r"\b(hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-|AKIA|AIza|ya29\.|eyJ|pypi-|wandb_v\d)")
RANDOM = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PASSWORDS = re.compile(r"(^|[_.-])(secrets?|password|passwd)$", re.IGNORECASE)
SNAKE = re.compile(r"(?<=[a-z])(?=[A-Z])")  # apiToken is api_Token
IN_ADDRESS = re.compile(r"://[^/\s:@]*:[^/\s@]+@")  # user:password@
SHORTEST = 20  # characters of a value that is looked for: tokens are longer, a password can be a word that occurs


def refuse_secrets(cfg: DictConfig, environment: Mapping[str, str] = os.environ) -> None:
    """ValueError where a key is named like a secret, or a value holds one of the environment's; it is not repeated."""
    refuse(leaves(OmegaConf.to_container(cfg)), environment)


def refuse_typed_secrets(arguments: Iterable[str]) -> None:
    """The same of a command line's overrides, before Hydra keeps them."""
    typed = (argument.lstrip("+").partition("=") for argument in arguments if "=" in argument)
    refuse(((key, int(value) if value.isdigit() else value) for key, _, value in typed), os.environ)


def refuse(values: Iterable[tuple[str, Any]], environment: Mapping[str, str]) -> None:
    """ValueError where one of the (key, value)s is or holds a secret."""
    named = {name: value for name, value in environment.items() if NAMES.search(name) and len(value) >= SHORTEST}
    secrets = {name: value for name, value in named.items() if not value.startswith("/")}  # a key's file is no key
    advice = "a run directory keeps its config, so no secret may be in it: set the program's environment variable"
    for key, value in values:
        if value is None or isinstance(value, bool) or value == "":
            continue
        text = str(value)
        name = next((name for name, secret in secrets.items() if secret in text), None)
        if name is not None:
            raise ValueError(f"{key} holds the value of ${name}; {advice}")
        if is_named_secret(SNAKE.sub("_", key), value) or IN_ADDRESS.search(text):
            raise ValueError(f"{key} holds a key or password; {advice} (WANDB_API_KEY, AWS_PROFILE, ...)")


def is_named_secret(key: str, value: Any) -> bool:
    """Whether a key is named like a secret, and the value is no word or number that such a name may hold as well."""
    if not isinstance(value, str):
        return bool(PASSWORDS.search(key))  # num_tokens=4 is none
    if AMBIGUOUS.search(key) and not SURE.search(key):
        return bool(PREFIX.search(value) or RANDOM.search(value))
    return bool(NAMES.search(key))
