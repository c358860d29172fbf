"""Where an encoder's pretrained weights come from: ImageNet (downloaded or installed), a file, or nowhere."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglight.values import whole

Weights = str | None  # "imagenet", null or the path of a state dict


def torchvision_state(name: str, weights: str) -> dict[str, Tensor]:
    """The state dict of a torchvision classifier: its first ImageNet weights, or a file."""
    if weights != "imagenet":
        return read_state(weights)
    from torchvision.models import get_model_weights

    url = get_model_weights(name)["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    state: dict[str, Tensor] = downloaded(
        lambda: torch.hub.load_state_dict_from_url(url, map_location="cpu", weights_only=True), name, path, url
    )
    return state


def downloaded(load: Callable[[], Any], name: str, path: Path, url: str) -> Any:
    """What `load` gives; where the download is impossible, an error that names the file and the ways out."""
    try:
        return load()
    except Exception as error:  # urllib's, huggingface_hub's and httpx's errors share no base
        raise FileNotFoundError(
            f"encoder.weights=imagenet: {path.name} ({name}) is not at {path} and {url} could not be downloaded "
            f"({type(error).__name__}: {error}). Put the file there, or choose encoder.weights=null (random) or "
            f"encoder.weights=PATH (a state dict)."
        ) from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """A file of tensors by name; `state_dict` and `model` wrappers are taken off."""
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"weights: no file {path} (encoder.weights is imagenet, null or the path of a state dict)"
        )
    if Path(path).suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"weights: {path} holds no state dict (tensors by name)")
    return dict(state)


def load_trunk(net: nn.Module, state: Mapping[str, Tensor], heads: Iterable[str], where: str) -> None:
    """Loads a classifier's weights, strict about every tensor that does not belong to its `heads` (name prefixes)."""
    net.load_state_dict(trunk(net.state_dict(), state, heads, where), strict=False)


def trunk(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], heads: Iterable[str], where: str
) -> dict[str, Tensor]:
    """What of `state` lies outside the `heads`; every difference from `own` there is an error that names it."""
    prefixes = tuple(heads)
    wanted = {key: value for key, value in own.items() if not key.startswith(prefixes)}
    given = {key: value for key, value in state.items() if not key.startswith(prefixes)}
    differences = {
        "missing": [key for key in wanted if key not in given],
        "unknown": [key for key in given if key not in wanted],
        "other shapes": [
            f"{key} {tuple(given[key].shape)} for {tuple(value.shape)}"
            for key, value in wanted.items()
            if key in given and given[key].shape != value.shape
        ],
    }
    if any(differences.values()):
        named = "; ".join(f"{len(keys)} {kind}: {keys[:5]}" for kind, keys in differences.items() if keys)
        raise ValueError(f"encoder.weights={where}: does not fit this network ({named})")
    return given


def adapt_input(net: nn.Module, channels: int) -> None:
    """Gives the first convolution `channels` inputs in place of RGB.

    One: the sum over RGB (a grey image in all three gave the same). N: RGBRGB..., scaled by 3 / N (as timm does).
    """
    whole("encoder.in_channels", channels)
    if channels == 3:
        return
    name, old = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
    new = copy.deepcopy(old)
    new.in_channels = channels
    weight = old.weight.detach()
    repeated = weight.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)
    new.weight = nn.Parameter(weight.sum(1, keepdim=True) if channels == 1 else repeated)
    net.set_submodule(name, new)
