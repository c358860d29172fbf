"""The packages that seglight can do without, and what to say where one of them is needed but not installed."""

from __future__ import annotations

# package: the extra that installs it
EXTRAS = {
    "timm": "zoo",
    "segmentation_models_pytorch": "zoo",
    "tensorboard": "tensorboard",
    "wandb_workspaces": "dashboard",
    "skimage": "instances",
    "pycocotools": "instances",
    "gradio": "demo",
    "av": "video",
    "rasterio": "raster",
    "tifffile": "raster",
    "plotly": "compare",
    "pandas": "compare",
    "litdata": "streaming",
    "torchao": "float8",
    "ray": "ray",
    "submitit": "slurm",
    "optuna": "optuna",
    "onnx": "export",
    "onnxruntime": "export",
    "openvino": "openvino",
}


def needs(what: str, package: str, extra: str | None = None) -> str:
    """The message: what needs the package, and how to install it; by another extra than its own where one is named."""
    return f'{what} needs the package {package}: pip install "seglight[{extra or EXTRAS[package]}]"'


def lacking(error: BaseException | None) -> str | None:
    """The package of an extra whose absence is behind an error; None where it is another error."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            words = (error.name or str(error)).replace(".", " ").replace("'", " ").replace("`", " ").split()
            found = next((word for word in words if word in EXTRAS), None)
            if found:
                return found
        error = error.__cause__ or error.__context__
    return None
