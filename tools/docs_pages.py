"""MkDocs hooks: pages that stand outside of docs/, and links as they are written for a repository.

Each page has one home and links that work where it lies; here they are made to work in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_REPOSITORY = Path(__file__).resolve().parents[1]
# Page of the site: file of the repository.
_OUTSIDE = {
    "index.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "firmware/PROTOCOL.md": "firmware/PROTOCOL.md",
    "pipeline/ops/README.md": "pipeline/ops/README.md",
    **{
        path.relative_to(_REPOSITORY).as_posix(): path.relative_to(_REPOSITORY).as_posix()
        for path in (_REPOSITORY / "boards").rglob("README.md")
    },
}
_SITE = {path: page for page, path in _OUTSIDE.items()}
_LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)#:\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that stand outside of docs/."""
    for page, path in _OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(_REPOSITORY / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: Any, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site.

    What the site does not have, such as a folder of sources, stays as its text.
    """
    here = page.file.src_uri
    path = _OUTSIDE.get(here, f"docs/{here}")

    def rewritten(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.groups(default="")
        if not target:
            return match.group(0)
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        inside = _SITE.get(wanted, wanted.removeprefix("docs/"))
        if files.get_file_from_path(inside) is None:
            return text
        link = posixpath.relpath(inside, posixpath.dirname(here) or ".")
        return f"{mark}[{text}]({link}{anchor})"

    return _LINK.sub(rewritten, markdown)
