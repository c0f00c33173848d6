from __future__ import annotations

from xml.etree import ElementTree

from pipeline.report.junit import junit_xml
from tests.report import fake_run


def test_every_gate_is_a_test_case() -> None:
    facts = fake_run.facts(deployment=fake_run.deployment(mismatches=2))
    report = fake_run.report(config={"quantize": {"max_drop": 100.0}}, facts=facts)
    root = ElementTree.fromstring(junit_xml(report))
    assert root.tag == "testsuites"
    suite = root[0]
    assert suite.attrib["name"] == "espalier.tiny"
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == (
        str(len(report["gates"])),
        "1",
        "1",
    )
    cases = {case.attrib["name"]: case for case in suite}
    failure = cases["Bit-exact outputs"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == ("2 of 4 outputs differ from TFLite's reference kernels.")
    assert cases["Accuracy of int8"].find("skipped") is not None
    assert cases["Flash of the board"].find("failure") is None


def test_what_xml_cannot_hold_is_replaced() -> None:
    report = fake_run.report(facts={}, image=None, budget=None)
    report["gates"] = [
        {"id": "x", "title": "<a & b>", "state": "failed", "sentence": "bell \x07 & <tag>"}
    ]
    root = ElementTree.fromstring(junit_xml(report))
    failure = root[0][0][0]
    assert failure.text == "bell \N{REPLACEMENT CHARACTER} & <tag>"
    assert root[0][0].attrib["name"] == "<a & b>"
