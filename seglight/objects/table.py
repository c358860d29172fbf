"""The objects of an image as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from seglight.objects.numbering import Object


def csv_of(objects: Sequence[Object]) -> str:
    """A CSV of an image's objects, a row each: number, class, area, box, mean probability."""
    text = io.StringIO()
    names = [field.name for field in fields(Object)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class" if name == "name" else name for name in names])
    writer.writerows(asdict(one).values() for one in objects)
    return text.getvalue()
