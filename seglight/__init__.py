"""seglight: which encoder, decoder, skip connections and frozen layers are best for your images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seglight.config import build_model, compose
    from seglight.deploy.predictor import Predictor
    from seglight.results.comparison import compare
    from seglight.runs.run import load_run

__version__ = "0.1.0"
__all__ = ["Predictor", "build_model", "compare", "compose", "load_run"]


def __getattr__(name: str) -> Any:
    """The Python API, imported on first use so that commands answer at once."""
    if name == "load_run":
        from seglight.runs.run import load_run

        return load_run
    if name == "compare":
        from seglight.results.comparison import compare

        return compare
    if name == "Predictor":
        from seglight.deploy.predictor import Predictor

        return Predictor
    if name in __all__:
        from seglight import config

        return getattr(config, name)
    raise AttributeError(f"module 'seglight' has no attribute {name!r}")
