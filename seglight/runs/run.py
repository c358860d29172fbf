"""A run on disk: its config, checkpoints and scores. All that reads or writes a run directory goes through here."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig, OmegaConf

from seglight.config import check_kinds, resolve
from seglight.runs.atomic import remove_partial, written_whole
from seglight.runs.lock import HeldByAnotherError, held

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seglight.colours import Colour
    from seglight.data.pixels import Pixels
    from seglight.deploy.prediction import Prediction
    from seglight.inference import Inference

log = logging.getLogger(__name__)


class Run:
    """A run directory: its configs and overrides as YAML, `summary.json`, `checkpoints/`, `predictions/`."""

    def __init__(self, path: str | Path, checkpoint: str = "best") -> None:
        self.path = Path(path)
        self.checkpoint = checkpoint

    @classmethod
    def create(cls, path: str | Path, cfg: DictConfig, overrides: list[str]) -> Run:
        """Makes the directory and writes what the run is going to be: `cfg` as composed, and resolved.

        ValueError where another run lies there, where a key has no value, and where the config holds a secret.
        """
        from seglight.runs.composed import portable
        from seglight.runs.credentials import refuse_secrets

        resolved = resolve(cfg)
        check_kinds(resolved)
        refuse_secrets(resolved)
        run = cls(path)
        (run.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        with run.locked():  # not under another process's feet
            if run.is_taken():
                go_on = f"{quote(f'resume={path}')} continues it, another hydra.run.dir starts a new one"
                if resolved.get("sweep"):
                    go_on = (
                        f"{quote(f'resume_sweep={run.path.parent}')} continues its sweep, "
                        "another hydra.sweep.dir starts a new one"
                    )
                raise ValueError(f"{path} holds a run: {go_on}")
            run.write_yaml("overrides.yaml", overrides)
            run.write_yaml("composed.yaml", portable(cfg, resolved))
            run.write_summary({"status": "waiting"})
            run.write_yaml("config.yaml", resolved)  # the last one: it makes the folder a run
        return run

    @classmethod
    def resume(cls, path: str | Path, overrides: list[str], check: Callable[[DictConfig], None] | None = None) -> Run:
        """A run that goes on from its last checkpoint, or starts again where it has none yet.

        `key=value` overrides change its config and what is made from those keys; groups, the network and the images
        stay as they were. `trust=true` is as `load_run`'s. check: raises ValueError where the changed config cannot
        be. Nothing is written before all is known to be good. Finished where nothing is left to train.
        """
        from seglight.runs.checkpoint import replace_damaged, replace_older
        from seglight.runs.resume import plan

        run, composed, cfg, changes = plan(path, overrides, check)
        with run.locked():
            for folder in (run.path, run.path / "checkpoints"):
                remove_partial(folder)
            replace_damaged(run.checkpoint_path("last"), run.checkpoint_path("best"))
            replace_older(run.checkpoint_path("last"), run.checkpoint_path("best"))
            if composed is not None:
                run.write_yaml("composed.yaml", composed)
            run.write_yaml("overrides.yaml", [*run.overrides, *changes])
            run.write_yaml("config.yaml", cfg)
            run.update_summary(status="waiting", error=None)
        return cls(run.path)

    def is_taken(self) -> bool:
        """Whether a run lies here that another may not replace: all but one that ended before its first checkpoint."""
        if any(self.checkpoint_path(which).is_file() for which in ("last", "best")):
            return True
        made = all((self.path / name).is_file() for name in ("config.yaml", "summary.json"))
        return made and self.summary.get("status") not in ("failed", "interrupted")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process; HeldByAnotherError, a ValueError, where another one trains it."""
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self.path / ".lock", wait=False))
            except HeldByAnotherError:
                raise HeldByAnotherError(f"{self.path} is being trained by another process") from None
            yield

    @cached_property
    def cfg(self) -> DictConfig:
        """The resolved config the run was made with."""
        return read_yaml(self.path / "config.yaml")  # type: ignore[no-any-return]

    @cached_property
    def overrides(self) -> list[str]:
        """The command line's overrides, as they were typed."""
        path = self.path / "overrides.yaml"
        try:
            typed = yaml.safe_load(path.read_text()) if path.is_file() else []
        except yaml.YAMLError as error:
            raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
        if not isinstance(typed, list):
            raise ValueError(f"{path}: expected a list of overrides")
        return [str(override) for override in typed]

    def write_yaml(self, name: str, content: DictConfig | list[str]) -> None:
        """Writes a config, or the list of overrides, whole."""
        with written_whole(self.path / name) as file:
            if isinstance(content, list):
                yaml.safe_dump(content, file, allow_unicode=True, width=10**6)
            else:
                OmegaConf.save(content, file)

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json says; a score that does not exist (an absent class) is NaN."""
        path = self.path / "summary.json"
        try:
            summary: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is not the summary of a run ({error})") from None
        if not isinstance(summary, dict):
            raise ValueError(f"{path} is not the summary of a run")
        return {key: math.nan if value is None and "/" in key else value for key, value in summary.items()}

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes summary.json whole; NaN becomes null, for JSON has no NaN."""
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in summary.items()}
        with written_whole(self.path / "summary.json") as file:
            file.write(json.dumps(plain, indent=2) + "\n")

    def update_summary(self, unless: Collection[str] = (), /, **values: Any) -> None:
        """Adds to summary.json, one process after the other; not where its status is one of `unless`."""
        with held(self.path / ".summary.lock", wait=True):
            summary = self.summary
            if summary.get("status") not in unless:
                self.write_summary({**summary, **values})

    def note(self, unless: Collection[str] = (), /, **values: Any) -> None:
        """`update_summary` after an error: where the disk is full too, the first error is the one that is raised."""
        try:
            self.update_summary(unless, **values)
        except OSError as error:
            log.error("%s could not be written (%s); it would say %s", self.path / "summary.json", error, values)

    def checkpoint_path(self, which: str | None = None) -> Path:
        """The file of the `best` or `last` checkpoint."""
        return self.path / "checkpoints" / f"{which or self.checkpoint}.ckpt"

    def steps(self) -> int:
        """The optimizer steps behind the last checkpoint, 0 where there is none."""
        return int(self.read_checkpoint("last")["global_step"]) if self.checkpoint_path("last").is_file() else 0

    def weights(self, which: str | None = None) -> dict[str, torch.Tensor]:
        """The network's state dict in a checkpoint; with adapters on pretrained weights it is without these."""
        return network_state(self.read_checkpoint(which))

    def read_checkpoint(self, which: str | None = None) -> dict[str, Any]:
        """All that a checkpoint holds."""
        from seglight.runs.checkpoint import read_checkpoint

        path = self.checkpoint_path(which)
        if not path.is_file():
            status = self.summary.get("status")
            raise FileNotFoundError(f"{path} does not exist (the run is {status}): no evaluation has been finished yet")
        return read_checkpoint(path)

    @cached_property
    def net(self) -> nn.Module:
        """The trained network in eval mode: images [B, 3, H, W] uint8 RGB -> logits [B, K, H, W]; adapters merged."""
        import torch

        from seglight.adapters.base import base_of
        from seglight.adapters.low_rank import merge

        with torch.inference_mode(False):  # or a network first asked for in inference mode could never train
            checkpoint = self.read_checkpoint()
            net = self.network(checkpoint.get("base"), self.checkpoint_path())
            net.load_state_dict({**base_of(net), **network_state(checkpoint)})
            merge(net)
        return net.eval()

    def untrained_net(self, which: str | None = None) -> nn.Module:
        """The network that the config describes, with those pretrained weights alone that a checkpoint leaves out."""
        path = self.checkpoint_path(which)
        return self.network(self.read_checkpoint(which).get("base") if path.is_file() else None, path)

    def network(self, needed: dict[str, str] | None, path: Path) -> nn.Module:
        """`untrained_net` for a checkpoint at `path` that needs a base, or none."""
        from seglight.config import build_model
        from seglight.runs.base import built_on

        cfg = self.cfg.copy()
        OmegaConf.set_struct(cfg, False)
        if needed is not None:
            return built_on(needed, cfg, path)
        if OmegaConf.select(cfg, "net.encoder.weights") is not None:
            cfg.net.encoder.weights = None  # the checkpoint holds them all
        return build_model(cfg)

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes; their numbers where the data set has no names."""
        count = int(self.cfg.data.num_classes)
        names = self.summary.get("classes") or range(count)
        return [str(name) for name in names]

    @cached_property
    def palette(self) -> list[Colour]:
        """The colour of each class: the data set's own, or VOC's."""
        from seglight.colours import voc_colours

        own = self.summary.get("palette") or self.of_data_set("palette")
        if len(own) != len(self.classes):
            own = voc_colours(len(self.classes))
        return [(red, green, blue) for red, green, blue in own]

    @cached_property
    def things(self) -> tuple[str, ...]:
        """The classes whose objects are numbered one by one, where the data set says so."""
        return tuple(name for name in self.of_data_set("things") if name in self.classes)

    def of_data_set(self, name: str) -> Any:
        """What the data set's class says of all its images, () where it does not, or is not installed."""
        from hydra.utils import get_object

        try:
            return getattr(get_object(self.cfg.data._target_), name, ()) or ()
        except (ImportError, ValueError):
            return ()

    @cached_property
    def pixels(self) -> Pixels:
        """How this run's images are read: which bands, which values."""
        from seglight.data.pixels import pixels_of

        data: Any = OmegaConf.to_container(self.cfg.data)
        return pixels_of(data if "value_range" in data else {})

    def predict(self, image: Any) -> Prediction:
        """The classes of an image's pixels. image: an RGB array [H, W, 3], a tensor [3, H, W], Pillow's, or a path.

        A file is turned upright by its EXIF orientation, Pillow's image is taken as it is. A TIFF of several pages is
        refused. A run on other images than 8-bit RGB takes arrays [H, W, C] of values as such files store them.
        """
        import torch

        from seglight.data.bands import Stored
        from seglight.data.decode import refuse_pages
        from seglight.data.pixels import Pixels
        from seglight.inference import array_of, rgb_tensor

        if self.pixels == Pixels():
            if isinstance(image, str | Path):
                refuse_pages(Path(image))
            return self.predict_batch(rgb_tensor(image)[None])[0]
        if isinstance(image, str | Path):
            pixels, invalid = self.pixels.read(Path(image))
        else:
            pixels, invalid = self.pixels.image(Stored(array_of(image)), "the image")
        return self.predict_batch(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0].without(invalid)

    def predict_batch(
        self, images: torch.Tensor, probabilities: bool = True, inference: Inference | None = None
    ) -> list[Prediction]:
        """A prediction for each of the images [B, 3, H, W], computed where the network is; `inference`: or whole."""
        import torch

        from seglight.deploy.prediction import Prediction
        from seglight.inference import Inference

        with torch.inference_mode():
            place = next(iter(self.net.parameters()), images).device
            placed = images.to(place) if torch.is_tensor(images) else images  # the network says what it takes
            logits = (inference or Inference())(self.net, placed)
            masks = logits.argmax(1).to(torch.uint8).cpu().numpy()
            shares = logits.softmax(1).cpu().numpy() if probabilities else [None] * len(images)
            pixels = [self.pixels.pictured(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()]
        rows = zip(masks, pixels, shares, strict=True)
        return [Prediction(mask, image, self.classes, self.palette, share) for mask, image, share in rows]


def network_state(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The network's tensors in a checkpoint, by their own names."""
    state = checkpoint.get("state_dict", {})
    return {name.removeprefix("net."): value for name, value in state.items() if name.startswith("net.")}


def read_yaml(path: Path) -> Any:
    """A YAML file without any tag that would run code; ValueError names a file that cannot be read."""
    try:
        return OmegaConf.load(path)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} cannot be read as a config: {' '.join(str(error).split())}") from None


def load_run(path: str | Path, checkpoint: str = "best", trust: bool = False) -> Run:
    """A run to build from, somebody else's too: its config may name only what seglight's own configs do, or `trust`."""
    from seglight.runs.trust import check_targets
    from seglight.values import one_of

    if not isinstance(path, str | Path):
        raise TypeError(f"load_run({path!r}): the path of a run's folder is needed")
    one_of("checkpoint", checkpoint, ("best", "last"))
    run = find_run(path, checkpoint)
    if not trust:
        check_targets(run.cfg, run.path / "config.yaml")
    return run


def find_run(path: str | Path, checkpoint: str = "best") -> Run:
    """A run directory that exists, to read from. FileNotFoundError says what a run directory holds."""
    folder = Path(path)
    if not (folder / "config.yaml").is_file():
        inside = sorted(p.parent.name for p in folder.glob("*/config.yaml"))
        sweep = f"it is a folder of runs: {', '.join(inside[:8])}"
        hint = sweep if inside else "a run has config.yaml, summary.json, checkpoints/"
        if folder.suffix == ".ckpt":
            hint = f"it is a checkpoint; its run is {folder.parent.parent}"
        raise FileNotFoundError(f"{folder} is not a run directory: {hint}")
    return Run(folder, checkpoint)


def sweep_runs(folder: str | Path) -> list[Run]:
    """The runs directly inside a sweep's folder, in the order of their numbers."""

    def number(run: Run) -> tuple[int, str]:
        name = run.path.name
        return (int(name), "") if name.isdigit() else (1 << 60, name)

    return sorted((Run(p.parent) for p in Path(folder).glob("*/config.yaml")), key=number)
