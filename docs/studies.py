"""The site's hook: the studies under experiments/ are pages of it, though they lie outside docs/.

In the repository a page links to `../experiments/ladder/README.md`, and a study to `../../docs/recipes.md`. On the site
experiments/ is a folder of docs/, so both links lose one step. Other files of the repository are shown as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

REPO = Path(__file__).resolve().parents[1]
SHOWN = {".md", ".png", ".yaml", ".json", ".csv"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what the studies consist of, and a page that lists them."""
    studies = []
    for path in sorted((REPO / "experiments").rglob("*")):
        if path.suffix in SHOWN:
            name = path.relative_to(REPO).as_posix()
            added = File.generated(config, name, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV)
            files.append(added)
            if path.suffix == ".md":
                studies.append(f"- [{title(path)}]({name})")
    text = "\n".join(["# Studies", "", "Each has its question, its commands and what was measured.", "", *studies, ""])
    files.append(File.generated(config, "studies.md", content=text))
    return files


def title(path: Path) -> str:
    """A page's first heading, or where it lies."""
    headings = (line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("# "))
    return next(headings, f"{path.parent.name}: {path.stem}")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they are on the site."""
    depth = page.file.src_uri.count("/")
    if depth:
        return markdown.replace("](" + "../" * depth + "docs/", "](" + "../" * depth)
    markdown = re.sub(r"\]\(\.\./(experiments/[\w/]+)\)", r"](\1/README.md)", markdown)  # a folder
    return markdown.replace("](../experiments/", "](experiments/")
