"""`python -m seglight.demo run=DIR`: a page on which a run is tried: drop an image, see its classes."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from seglight.cli import run_command

PORTS = 100  # that are tried, from `port` on
LARGEST = "64mb"  # file that may be dropped
STYLE = """
.gradio-container {max-width: 1200px !important; margin: auto}
.legend table {border-collapse: collapse; width: 100%; font-size: 1rem}
.legend table, .legend tr {border: 0 !important}
.legend td {padding: .25em .5em}
.legend td:not(:first-child) {border: 0 !important; border-bottom: 1px solid #8884 !important}
footer {display: none !important}
"""

log = logging.getLogger(__name__)


def demo(cfg: DictConfig) -> None:
    """Serves the page until Ctrl-C."""
    from seglight.config import build
    from seglight.overrides import paths_of
    from seglight.runs.run import load_run
    from seglight.sources.network import Network
    from seglight.values import whole

    whole("samples", cfg.samples, 0)
    whole("port", cfg.port)
    paths = paths_of(cfg.run)
    if not 1 <= len(paths) <= 2:
        raise ValueError(f"run={paths}: one run, or two to see side by side, is needed")
    inference = build(cfg, "tta")
    runs = [load_run(path, cfg.checkpoint, cfg.trust) for path in paths]
    networks = [Network(run, cfg.device, inference=inference) for run in runs]
    with tempfile.TemporaryDirectory() as folder:
        built = page(networks, samples(networks[0], cfg.samples, Path(folder)))
        serve(built, cfg.host, cfg.port).block_thread()


def serve(built: Any, host: str, port: int) -> Any:
    """Starts the page's server and says where it is."""
    import gradio

    logging.getLogger("httpx").setLevel(logging.WARNING)
    own = ["system-ui", "sans-serif"]  # fonts of the browser's machine, none from another server
    theme = gradio.themes.Default(font=own, font_mono=["monospace"])
    for free in range(port, port + PORTS):
        try:
            built.launch(
                server_name=host, server_port=free, share=False, quiet=True, prevent_thread_lock=True,
                theme=theme, css=STYLE, max_file_size=LARGEST,
            )  # fmt: skip
            break
        except OSError as error:  # taken
            if free == port + PORTS - 1:
                raise ValueError(f"host={host} port={port}: no page can be served there ({error})") from None
    log.info("page: http://%s:%d (Ctrl-C ends it)", host, built.server_port)
    return built


def page(networks: list[Any], images: list[str]) -> Any:
    """The page of one run, or of two side by side. networks: `seglight.sources.network.Network`."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is sent anywhere
    import gradio

    def predict(path: str | None) -> list[Any]:
        """A prediction for each run; none where there is no image."""
        if path is None:
            return []
        try:
            read = [network.run.pixels.read(Path(path)) for network in networks]
            return [
                network(tensor(image))[0].without(invalid)
                for network, (image, invalid) in zip(networks, read, strict=True)
            ]
        except (ValueError, OSError) as error:
            raise gradio.Error(str(error).replace(path, Path(path).name), duration=None) from None
        except (MemoryError, RuntimeError) as error:
            text = f"the image cannot be predicted ({str(error).splitlines()[0]}); a smaller one may be"
            raise gradio.Error(text, duration=None) from None

    def draw(opacity: float, safe: bool, predictions: list[Any]) -> list[Any]:
        """Overlay and legend of each run."""
        shown: list[Any] = []
        for one in predictions:
            coloured = one.with_safe_colours() if safe else one
            shown += [coloured.overlay(opacity / 100), coloured.legend_html()]
        return shown or [None, ""] * len(networks)

    with gradio.Blocks(title="seglight", analytics_enabled=False) as built:
        gradio.Markdown(
            "# seglight\nDrop an image, or take a sample. Nothing leaves the machine that serves this page."
        )
        found = gradio.State([])  # the predictions of all runs
        with gradio.Row():
            with gradio.Column():
                given: Any = gradio.Image(type="filepath", label="Image", height=320, sources=["upload", "clipboard"])
                given.preprocess = as_it_is
            with gradio.Column():
                opacity = gradio.Slider(0, 100, 55, step=1, label="Opacity of the classes, %")
                safe = gradio.Checkbox(False, label="Colours for colour-blind people")
                if images:
                    gradio.Examples([[image] for image in images], given, label="Samples of the data set")
        outputs: list[Any] = []
        with gradio.Row():
            for network in networks:
                with gradio.Column(min_width=300):
                    gradio.Markdown(f"### {title(network.run)}")
                    buttons: Any = ["download", "fullscreen"]  # not the one that shares it
                    outputs.append(
                        gradio.Image(
                            label="Classes over the image", interactive=False, buttons=buttons, elem_classes="overlay"
                        )
                    )
                    outputs.append(gradio.HTML(elem_classes="legend"))
        look = [opacity, safe, found]
        given.change(predict, given, found).then(draw, look, outputs)
        opacity.release(draw, look, outputs, show_progress="hidden")
        safe.change(draw, look, outputs, show_progress="hidden")
    return built


def as_it_is(dropped: Any) -> str | None:
    """The path of a dropped file: gradio would convert it first, and say nothing of one that it cannot open."""
    return None if dropped is None else str(dropped.path)


def tensor(image: Any) -> Any:
    """An array [H, W, C] as a batch of one."""
    import torch

    return torch.from_numpy(image).permute(2, 0, 1)[None]


def title(run: Any) -> str:
    """A run's name, model, data and score."""
    score = run.summary.get("val/miou")
    name = run.cfg.get("model_name") or ""
    return f"{run.path.name}: {name} on {run.cfg.data.name}" + ("" if score is None else f", mIoU {score:.3f}")


def samples(network: Any, count: int, folder: Path) -> list[str]:
    """Images of the run's data set, written to `folder`; none where this machine, or a browser, cannot show them."""
    from PIL import Image

    from seglight.config import build
    from seglight.data.pixels import Pixels

    if count == 0:
        return []
    if network.run.pixels != Pixels():
        log.info("no samples are shown: browsers show images of 8 bits and three bands alone")
        return []
    try:
        data = build(network.run.cfg, "data")
        pairs = data.listed(data.split)
        reader, paths = data.reader(data.split), []
        for pair in pairs[:: max(1, len(pairs) // count)][:count]:
            paths.append(str(folder / f"{Path(pair.name).name}.png"))
            Image.fromarray(reader(pair)[0]).save(paths[-1])
    except (ValueError, OSError, AttributeError) as error:
        log.warning("no samples of the data set: %s", error)
        return []
    return paths


if __name__ == "__main__":
    run_command("demo", demo)
