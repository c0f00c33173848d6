"""The gates of a run as JUnit XML, which CI servers show as tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from pipeline.report.verdict import FAILED, OPEN


def junit_xml(report: Mapping[str, Any]) -> str:
    """One test case per gate: passed, failed with its sentence, or skipped without a limit.

    Args:
        report: of a run.
    Returns:
        An XML document with one test suite, named after the run.
    """
    found = report["gates"]
    counts = {
        "tests": str(len(found)),
        "failures": str(sum(gate["state"] == FAILED for gate in found)),
        "errors": "0",
        "skipped": str(sum(gate["state"] == OPEN for gate in found)),
        "time": "0",
    }
    name = _legal(f"espalier.{report['name']}")
    root = ElementTree.Element("testsuites", {"name": "espalier", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for gate in found:
        sentence = _legal(gate["sentence"])
        case = ElementTree.SubElement(
            suite, "testcase", classname=name, name=_legal(gate["title"]), time="0"
        )
        if gate["state"] == FAILED:
            failure = ElementTree.SubElement(case, "failure", message=sentence, type=gate["id"])
            failure.text = sentence
        elif gate["state"] == OPEN:
            ElementTree.SubElement(case, "skipped", message=sentence)
        else:
            ElementTree.SubElement(case, "system-out").text = sentence
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _legal(text: str) -> str:
    """A text without the control characters that XML has no way to write."""
    return "".join(c if c >= " " or c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" for c in text)
