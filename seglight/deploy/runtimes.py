"""The programs that run exported files: ONNX Runtime, OpenVINO, torch for TorchScript. Imported when needed."""

# Shapes: B batch, C bands, K classes, H W pixels

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seglight.deploy.about import KEY

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # of ONNX Runtime, those it should try first


class Runtime(Protocol):
    """`runtime(images [B, C, H, W])` gives logits [B, K, H, W] or classes [B, H, W].

    text: the file's metadata. device: cpu or cuda.
    """

    text: str | None
    device: str

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]: ...


class OnnxRuntime:
    """A .onnx file."""

    def __init__(self, path: Path, threads: int) -> None:
        runtime = package("onnxruntime", path)
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # its errors are raised as well
        options.intra_op_num_threads = threads
        there = [name for name in PROVIDERS if name in runtime.get_available_providers()]
        self.session = runtime.InferenceSession(str(path), options, providers=there)
        self.text = self.session.get_modelmeta().custom_metadata_map.get(KEY)
        self.input = self.session.get_inputs()[0].name
        self.device = "cuda" if self.session.get_providers()[0] == PROVIDERS[0] else "cpu"

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        return self.session.run(None, {self.input: images})[0]  # type: ignore[no-any-return]


class OpenVino:
    """A .xml file, its .bin beside it."""

    device = "cpu"

    def __init__(self, path: Path, threads: int) -> None:
        openvino = package("openvino", path)
        core = openvino.Core()
        model = core.read_model(str(path))
        self.text = model.get_rt_info(KEY).value if model.has_rt_info(KEY) else None
        # float32 throughout: the default takes bfloat16 on CPUs that have it
        settings = {"INFERENCE_PRECISION_HINT": "f32"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        self.compiled = core.compile_model(model, "CPU", settings)

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        return np.array(self.compiled(images)[0])


class TorchScript:
    """A .pt file."""

    device = "cpu"

    def __init__(self, path: Path, threads: int) -> None:
        self.torch = package("torch", path)
        if threads:
            self.torch.set_num_threads(threads)
        extra = {f"{KEY}.json": ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torch.export is newer
            self.module = self.torch.jit.load(str(path), "cpu", _extra_files=extra)
        content: Any = extra[f"{KEY}.json"]
        self.text = content.decode() if isinstance(content, bytes) else content

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        with self.torch.inference_mode():
            return self.module(self.torch.from_numpy(np.require(images, requirements="W"))).numpy()  # type: ignore[no-any-return]


RUNTIMES: dict[str, Any] = {".onnx": OnnxRuntime, ".xml": OpenVino, ".pt": TorchScript}


def open_runtime(path: str | Path, threads: int = 0) -> Runtime:
    """The runtime of a file, by its ending. threads: 0 for as many as the runtime takes itself.

    ValueError where it is no such file or the runtime cannot read it.
    """
    file = Path(path)
    if file.suffix.lower() not in RUNTIMES:
        raise ValueError(f"{file}: an exported network is needed, a file that ends in {', '.join(RUNTIMES)}")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        runtime: Runtime = RUNTIMES[file.suffix.lower()](file, threads)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{file} cannot be read as an exported network: {one_line(error)}") from None
    return runtime


def package(name: str, file: Path) -> Any:
    """The runtime's package; ModuleNotFoundError says how to install it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(f"{file.name} needs the package {name}: pip install {name}", name=name) from None


def one_line(error: BaseException) -> str:
    """An error's text in one line that is not too long."""
    text = " ".join(str(error).split())
    return text if len(text) < 300 else f"{text[:300]} ..."
