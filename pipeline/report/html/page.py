"""The page of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.records import Array
from pipeline.report.html.chart import plotly_script, script_json
from pipeline.report.html.pictures import sample_picture
from pipeline.report.html.sections import SECTIONS
from pipeline.report.html.shown import Facts
from pipeline.report.origin import ORIGINS

_FOLDER = Path(__file__).parent
_PARTS = re.compile(r"[^_/]*[_/]+|[^_/]+")


def report_page(report: Mapping[str, Any], samples: Mapping[str, Array]) -> str:
    """One HTML file with everything in it.

    Equal arguments give equal text.

    Args:
        report: of a run (pipeline/report/run.py). What it lacks is left out, with the reason.
        samples: inputs by name, int8 without the batch, for those of quantize.worst that are at
            hand. They are embedded as pictures.
    """
    facts = Facts(report)
    is_picture = not facts.get("config", "data", "shape")
    pictures = {
        name: sample_picture(sample, is_picture=is_picture) for name, sample in samples.items()
    }
    sections = [section(facts, pictures) for section in SECTIONS]
    return render(
        "page.html.jinja",
        title=f"{report['name']}: report",
        report_json=script_json(report),
        facts=facts,
        sections=sections,
    )


def render(template: str, **values: Any) -> str:
    """A page from a template, with the styles and scripts that every page has.

    Args:
        template: its name.
        values: what it prints.
    """
    page: str = (
        _environment()
        .get_template(template)
        .render(
            css=_asset("report.css"),
            script=_asset("report.js"),
            plotly=plotly_script(),
            origins=ORIGINS,
            **values,
        )
    )
    return page


def _asset(name: str) -> str:
    return (_FOLDER / "assets" / name).read_text(encoding="utf-8")


def _breakable(text: str) -> Any:
    """A name that may go on in another line after an underscore or a slash."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in _PARTS.findall(text))


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
    )
    environment.filters["breakable"] = _breakable
    return environment
