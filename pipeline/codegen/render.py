"""Render the templates: model.h, model.c, weights.h and weights.c."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.codegen.views import comment_text, model_view
from pipeline.records import DeployPlan, SourceTree

_TEMPLATES_PATH = Path(__file__).parent / "templates"
_FILES = ("model.c", "model.h", "weights.c", "weights.h")


def generate(plan: DeployPlan, out: Path, *, command: str) -> SourceTree:
    """Write the C sources of a model into a folder.

    The sources are C11 and need the kernels of firmware/lib/kernels. Two calls with equal
    arguments write equal bytes.

    Args:
        plan: the model and where its tensors lie.
        out: folder, created where it is missing; files of the same names are replaced.
        command: what the user ran, for the head of each file.
    Returns:
        The files with their digest.
    """
    view = model_view(plan)
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    line = comment_text(" ".join(command.split()))
    for name in _FILES:
        template = environment().get_template(f"{name}.jinja")
        text = template.render(model=view, version=__version__, command=line)
        (out / name).write_text(text, encoding="ascii")
        digest.update(f"{name}\n{len(text)}\n{text}".encode("ascii"))
    return SourceTree(root=out, files=_FILES, digest=digest.hexdigest())


@cache
def environment() -> Any:
    """The templates, and how they are rendered."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES_PATH),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
