"""docs/tree.md: the package with one line a file, its docstring's first. Written by `python -m tests.tree`."""

from __future__ import annotations

import ast
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PAGE = REPO / "docs" / "tree.md"
HEAD = """# The package

One line for each file: the first line of its docstring. `python -m tests.tree` writes this page.
`tests/test_imports.py` states which part may import which.
"""


def first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return docstring.split("\n")[0].replace("|", "\\|")  # a table's own mark


def table(title: str, files: list[Path], folder: Path) -> str:
    rows = [f"| `{path.relative_to(folder)}` | {first_line(path)} |" for path in files if path.name != "__init__.py"]
    return "\n".join(["", title, "", "| file | contents |", "|---|---|", *rows, ""])


def page() -> str:
    package = REPO / "seglight"
    parts = [HEAD, table("## seglight", sorted(package.glob("*.py")), package)]
    for folder in sorted(path.parent for path in package.glob("*/__init__.py")):
        title = f"## seglight/{folder.name}\n\n{first_line(folder / '__init__.py')}"
        parts.append(table(title, sorted(folder.rglob("*.py")), folder))
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
