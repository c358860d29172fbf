"""`evaluate instances=true`: a split's objects as the network finds them, scored against the true ones."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from seglight.data.progress import progress_bar
from seglight.deploy.prediction import Prediction
from seglight.objects.numbering import Numbering
from seglight.objects.scores import ObjectScores
from seglight.runs.atomic import written_whole

log = logging.getLogger(__name__)


def score_objects(
    net: torch.nn.Module, inference: Callable[..., torch.Tensor], data: Any, numbering: Numbering, folder: Path
) -> dict[str, float]:
    """Writes `instances.json` (the means) and `instances.csv` (a row a class) to `folder`; returns the means.

    ValueError where the data set has no instance masks.
    """
    scores = ObjectScores(data.classes, numbering.indices(data.classes, data.things))
    pairs, reader = data.listed(data.split), data.reader(data.split)
    device = next(iter(net.parameters()), torch.empty(0)).device
    with progress_bar("objects", len(pairs)) as advance, torch.inference_mode():
        for pair in pairs:
            image, labels = reader(pair)
            true = data.instances(pair, labels)
            pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
            shares = inference(net, pixels)[0].softmax(0).cpu().numpy()
            mask = shares.argmax(0).astype("uint8")
            found, objects = numbering(Prediction(mask, image, data.classes, data.palette, shares), data.things)
            scores.update(found, objects, mask, true, labels)
            advance()
    means, rows = scores.compute()
    plain = {f"{data.split}/{name}": None if math.isnan(value) else value for name, value in means.items()}
    with written_whole(folder / "instances.json") as file:
        file.write(json.dumps(plain, indent=2) + "\n")
    with written_whole(folder / "instances.csv") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    log.info("objects: %s", ", ".join(f"{name} {value:.4f}" for name, value in means.items()))
    return means
