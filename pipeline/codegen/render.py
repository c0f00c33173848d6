"""Render the templates: what a model becomes for each engine."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.codegen.tflm_view import TflmView, tflm_view
from pipeline.codegen.views import ModelView, comment_text, model_view
from pipeline.records import DeployPlan, SourceTree, TflmPlan

_TEMPLATES_PATH = Path(__file__).parent / "templates"
_AOT_FILES = ("model.c", "model.h", "weights.c", "weights.h")
_TFLM_FILES = ("model.cc", "model.h", "weights.c")


def generate(plan: DeployPlan | TflmPlan, out: Path, *, command: str) -> SourceTree:
    """Write the sources of a model into a folder.

    Those of engine aot are C11 and need the kernels of firmware/lib/kernels; those of engine tflm
    are C++14 and need TensorFlow Lite Micro. Two calls with equal arguments write equal bytes.

    Args:
        plan: the model and where its tensors lie.
        out: folder, created where it is missing; files of the same names are replaced.
        command: what the user ran, for the head of each file.
    Returns:
        The files with their digest.
    """
    if isinstance(plan, TflmPlan):
        return _render(tflm_view(plan), "tflm/", _TFLM_FILES, out, command)
    return _render(model_view(plan), "", _AOT_FILES, out, command)


def _render(
    view: ModelView | TflmView, folder: str, files: tuple[str, ...], out: Path, command: str
) -> SourceTree:
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    line = comment_text(" ".join(command.split()))
    for name in files:
        template = environment().get_template(f"{folder}{name}.jinja")
        text = template.render(model=view, version=__version__, command=line)
        (out / name).write_text(text, encoding="ascii")
        digest.update(f"{name}\n{len(text)}\n{text}".encode("ascii"))
    return SourceTree(root=out, files=files, digest=digest.hexdigest())


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
