"""Write tests/golden/residual: the generated code of one small model, for people to review.

Run it after a change of generated code that is meant, and look at the difference:

    PYTHONPATH=. python tools/make_golden.py
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pipeline.codegen.render import generate
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import KernelTarget
from tests.small_models import residual_network

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "residual"
COMMAND = "tools/make_golden.py"
_TOOLS = ("ai-edge-litert", "flatbuffers", "jinja2", "numpy", "tflite")


def main() -> None:
    """Write the model and the sources generated from it."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    data = residual_network()
    (GOLDEN / "residual.tflite").write_bytes(data)
    generate(
        make_plan(parse_graph(data, "residual", "residual"), KernelTarget.PORTABLE),
        GOLDEN,
        command=COMMAND,
    )
    versions = "".join(f"- {tool} {version(tool)}\n" for tool in _TOOLS)
    (GOLDEN / "README.md").write_text(
        "# The generated code of one small model\n\n"
        "`residual.tflite` is `residual_network()` of tests/small_models.py; the C files are what\n"
        "the aot engine's generator makes of it. Written by tools/make_golden.py with:\n\n"
        f"{versions}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
