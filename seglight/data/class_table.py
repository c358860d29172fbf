"""A class table: which stored number or colour is which class, from a file or inline in a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seglight.colours import Colour, voc_colours
from seglight.data.labels import ColourLabels, MappedLabels
from seglight.data.table_files import read_table
from seglight.ignore import IGNORE_INDEX

FILES = "a YAML file, labelmap.txt or _classes.csv"
DRAFT = "; python -m seglight.check with the same keys writes a draft of one, by what the masks store"


@dataclass(frozen=True)
class ClassTable:
    """Names and colours of K classes, and how masks store them."""

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    labels: MappedLabels | ColourLabels


def read_class_table(source: str | Path | Mapping[str, Any], root: Path | None = None) -> ClassTable:
    """The table of a file or mapping: `classes` (name, and id or ids, or colour or colours) and `ignore`.

    A relative path is looked for from the working directory, else from `root`.

    With neither id nor colour a class is stored as its position. Classes that have ids may give a colour too, to be
    shown in. `ignore` lists ids or colours that are not scored; 255 always is.
    """
    where, table = loaded(source, root)
    rows = table.get("classes")
    if not isinstance(rows, Sequence) or not rows or isinstance(rows, str):
        raise ValueError(
            f"{where}: no `classes`; expected a list such as [{{name: road, id: 1}}, {{name: car, id: 2}}]"
        )
    rows = [{"name": row} if isinstance(row, str) else row for row in rows]
    for row in rows:
        if not isinstance(row, Mapping) or "name" not in row or set(row) - {"name", "id", "ids", "colour", "colours"}:
            raise ValueError(f"{where}: class {row}; expected name, and id, ids, colour or colours")
        for key in ("ids", "colours"):
            if not isinstance(row.get(key, []), list | tuple):
                raise ValueError(f"{where}: class {row['name']} has {key} {row[key]}; expected a list")
    ignore = table.get("ignore") or ()
    if not isinstance(ignore, list | tuple):
        raise ValueError(f"{where}: ignore {ignore}; expected a list of ids or colours")
    by_id = any("id" in row or "ids" in row for row in rows)
    by_colour = not by_id and any("colour" in row or "colours" in row for row in rows)
    labels = colour_labels(rows, ignore, where) if by_colour else id_labels(rows, ignore, where)
    shown = voc_colours(len(rows))
    palette = tuple(first_colour(row, where) or shown[index] for index, row in enumerate(rows))
    return ClassTable(tuple(str(row["name"]) for row in rows), palette, labels)


def loaded(source: str | Path | Mapping[str, Any], root: Path | None) -> tuple[str, Mapping[str, Any]]:
    """Where the table is from, for messages, and its content."""
    if isinstance(source, Mapping):
        return "data.class_table", source
    if not isinstance(source, str | Path):
        raise ValueError(f"data.class_table={source}: {FILES}, or a mapping with `classes`, is needed")
    given = Path(source).expanduser()
    places = [given.absolute(), *([(root / given).absolute()] if root is not None and not given.is_absolute() else [])]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        looked = " and ".join(map(str, dict.fromkeys(places)))
        raise FileNotFoundError(
            f"data.class_table={source}: no such file; looked for {looked}; {FILES} is needed"
            + ("" if root is None else DRAFT)
        )
    return str(source), read_table(path)


def id_labels(rows: Sequence[Mapping[str, Any]], ignore: Sequence[Any], where: str) -> MappedLabels:
    """Classes by stored number."""
    ids: dict[int, int] = {IGNORE_INDEX: IGNORE_INDEX}
    used: dict[int, str] = {}
    for index, row in enumerate(rows):
        for stored in row.get("ids") or [row.get("id", index)]:
            if whole_number(stored, where) in used:
                raise ValueError(f"{where}: id {stored} belongs to {used[stored]} and to {row['name']}; once expected")
            used[stored] = row["name"]
            ids[stored] = index
    for stored in ignore:
        if stored in used:
            raise ValueError(f"{where}: id {stored} is ignored and belongs to {used[stored]}; one of them expected")
        ids[whole_number(stored, where)] = IGNORE_INDEX
    return MappedLabels(ids)


def colour_labels(rows: Sequence[Mapping[str, Any]], ignore: Sequence[Any], where: str) -> ColourLabels:
    """Classes by stored colour."""
    colours: dict[Colour, int] = {}
    for index, row in enumerate(rows):
        for colour in row.get("colours") or [row.get("colour")]:
            if colour is None:
                raise ValueError(f"{where}: class {row['name']} has no colour, the others have; expected one for each")
            if rgb(colour, where) in colours:
                raise ValueError(f"{where}: colour {list(colour)} belongs to two classes; once expected")
            colours[rgb(colour, where)] = index
    for colour in ignore:
        colours[rgb(colour, where)] = IGNORE_INDEX
    return ColourLabels(colours)


def whole_number(stored: Any, where: str) -> int:
    """An id: masks store whole numbers, some of them below 0."""
    if not isinstance(stored, int) or isinstance(stored, bool):
        raise ValueError(f"{where}: id {stored}; expected a whole number")
    return stored


def first_colour(row: Mapping[str, Any], where: str) -> Colour | None:
    """The colour that a class is shown in, if the table gives one."""
    colour = row.get("colour") or (row.get("colours") or [None])[0]
    return None if colour is None else rgb(colour, where)


def rgb(colour: Any, where: str) -> Colour:
    """Three whole numbers from 0 to 255."""
    values = list(colour) if isinstance(colour, Sequence) and not isinstance(colour, str) else [colour]
    if len(values) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in values):
        raise ValueError(f"{where}: colour {colour}; expected [R, G, B], each 0 to 255")
    return values[0], values[1], values[2]
