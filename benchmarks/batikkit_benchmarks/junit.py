"""The gates as JUnit XML, which every CI system can show."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as xml

from batikkit import atomic
from batikkit_benchmarks.report import BenchReport

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: BenchReport) -> bytes:
    """One test case per gate; a configuration that gave no result is an error."""
    failed = sum(not gate.passed for gate in report.gates)
    counts = {"tests": len(report.gates) + len(report.failures), "failures": failed, "errors": len(report.failures)}
    attributes = {name: str(count) for name, count in counts.items()}
    root = xml.Element("testsuites", attributes)
    suite = xml.SubElement(
        root, "testsuite", {"name": "batikkit bench", **attributes, "hostname": _clean(report.host.title)}
    )
    suite.set("timestamp", report.created.rstrip("Z"))
    for gate in report.gates:
        case = xml.SubElement(suite, "testcase", {"classname": _clean(gate.configuration), "name": gate.name})
        if not gate.passed:
            value = "not measured" if gate.value is None else f"{gate.value:g}"
            reason = f": {_clean(gate.reason)}" if gate.reason else ""
            xml.SubElement(case, "failure", {"message": f"{gate.name} is {value}, limit {gate.limit:g}{reason}"})
    for failure in report.failures:
        case = xml.SubElement(
            suite, "testcase", {"classname": _clean(f"{failure.variant} {failure.runtime}"), "name": "measured"}
        )
        xml.SubElement(case, "error", {"message": _clean(failure.reason)})
    xml.indent(root)
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def write_junit(path: Path, report: BenchReport) -> None:
    """Writes the JUnit file, whole or not at all."""
    atomic.write_bytes(path, to_junit(report))


def _clean(text: str) -> str:
    return _NOT_XML.sub("?", text)
