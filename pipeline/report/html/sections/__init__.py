"""The sections of a run's page, in their order. A new one is a module, a template and a line here.

Each module's `section` takes the facts and returns a `Section`; the template of its id prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.report.html.sections import (
    accuracy,
    arena,
    flash,
    headline,
    layers,
    pareto,
    provenance,
    quantization,
    verdict,
    widths,
)
from pipeline.report.html.sections.base import Section
from pipeline.report.html.shown import Facts

# Pictures of samples, as data URIs by the sample's name.
Pictures = Mapping[str, str]

SECTIONS: tuple[Callable[[Facts, Pictures], Section], ...] = (
    verdict.section,
    headline.section,
    widths.section,
    accuracy.section,
    quantization.section,
    layers.section,
    arena.section,
    flash.section,
    pareto.section,
    provenance.section,
)
