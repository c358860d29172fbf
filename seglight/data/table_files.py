"""Class tables in files: YAML, CVAT's labelmap.txt, Roboflow's _classes.csv."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_table(path: Path) -> Mapping[str, Any]:
    """The file's content as a mapping with `classes`. ValueError where it is no such file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except ValueError:
        raise ValueError(f"{path}: not text in UTF-8; expected a class table") from None
    kind = {".txt": labelmap, ".csv": classes_csv}.get(path.suffix.lower(), from_yaml)
    return kind(text, path)


def from_yaml(text: str, path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        table = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(table, Mapping):
        raise ValueError(f"{path}: holds a {type(table).__name__}; expected a mapping with `classes`")
    return {str(key): value for key, value in table.items()}


def labelmap(text: str, path: Path) -> Mapping[str, Any]:
    """CVAT's and Datumaro's: `# label:color_rgb:parts:actions`, then a line a class such as `road:128,64,128::`."""
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        try:
            red, green, blue = (int(value) for value in rest.split(":")[0].split(","))
        except ValueError:
            raise ValueError(f"{path}: the line {line!r}; expected name:red,green,blue::") from None
        rows.append({"name": name, "colour": [red, green, blue]})
    return {"classes": rows}


def classes_csv(text: str, path: Path) -> Mapping[str, Any]:
    """Roboflow's: `Pixel Value, Class`, then a line a class such as `1, road`."""
    lines = [[cell.strip() for cell in line] for line in csv.reader(text.splitlines()) if line]
    rows = []
    for number, line in enumerate(lines):
        if len(line) != 2 or not line[0].isdigit():
            if number == 0:
                continue  # what the columns are called
            raise ValueError(f"{path}: the line {', '.join(line)!r}; expected a number and a name: 1, road")
        rows.append({"name": line[1], "id": int(line[0])})
    return {"classes": rows}
