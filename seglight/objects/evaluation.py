"""`evaluate instances=true`: a split's objects as the network finds them, scored against the true ones."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from seglight.data.progress import progress_bar
from seglight.deploy.prediction import Prediction
from seglight.objects.numbering import Numbering
from seglight.objects.scores import ObjectScores


def score_objects(
    predict: Callable[[torch.Tensor], list[Prediction]], data: Any, numbering: Numbering, folder: Path
) -> dict[str, float]:
    """Writes `instances.json` (the means) and `instances.csv` (a row a class) to `folder`; returns the means.

    ValueError where the data set has no instance masks.
    """
    things = numbering.indices(data.classes, data.things)
    scores = ObjectScores(data.classes, things)
    pairs, reader = data.listed(data.split), data.reader(data.split)
    with progress_bar("objects", len(pairs)) as advance:
        for pair in pairs:
            image, labels = reader(pair)
            true = data.instances(pair, labels)
            prediction = predict(torch.from_numpy(image).permute(2, 0, 1)[None])[0]
            found, objects = numbering(prediction, data.things)
            scores.update(found, objects, prediction.mask, true, labels)
            advance()
    means, rows = scores.compute()
    plain = {f"{data.split}/{name}": None if math.isnan(value) else value for name, value in means.items()}
    (folder / "instances.json").write_text(json.dumps(plain, indent=2) + "\n")
    with (folder / "instances.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return means
