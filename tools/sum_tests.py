#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Add up what the runners of ./check reported and print one verdict.

Usage: sum_tests.py FILE...

Each FILE is either a JUnit report (*.xml: meson's testlog.junit.xml, pytest --junit-xml) or a step
report (*.step), whose first line is `pass|fail|skip NAME` and whose other lines say why.
Every failure and every skip is named with its reason; the last line is exactly
`N passed, N failed, N skipped`. A FILE that is missing, empty or damaged counts as one failure.
Exit 1 if anything failed or nothing passed.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ET
from typing import NamedTuple

DETAIL_LINES = 40


class Case(NamedTuple):
    verdict: str  # pass, fail, skip
    name: str
    why: str = ""


def junit_case(label, element):
    name = f"{label}: {element.get('classname', '')}.{element.get('name', '')}"
    for tag, verdict in (("failure", "fail"), ("error", "fail"), ("skipped", "skip")):
        found = element.find(tag)
        if found is not None:
            return Case(verdict, name, (found.get("message") or found.text or "").strip())
    return Case("pass", name)


# cmocka 1.1.5 says "not ok N # SKIP name" of a test that skipped itself, which meson takes for a failure named N.
CMOCKA_SKIP = re.compile(r"^not ok (\d+) # SKIP (\S+)$", re.M)


def cmocka_skips(label, suite):
    output = "".join(node.text or "" for node in suite.findall("system-out"))
    return {number: Case("skip", f"{label}: {suite.get('name', '')}.{name}", "the test skipped itself: it needs what is not here")
            for number, name in CMOCKA_SKIP.findall(output)}


def junit_suite(label, suite):
    """The cases of one suite; a suite that broke without saying so in a case is one failure more."""
    skips = cmocka_skips(label, suite)
    cases = [skips.get(case.get("name")) or junit_case(label, case) for case in suite.iter("testcase")]
    bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0)) - len(skips)
    if bad and not any(case.verdict == "fail" for case in cases):
        output = "".join(node.text or "" for tag in ("system-out", "system-err") for node in suite.iter(tag))
        cases.append(Case("fail", f"{label}: {suite.get('name', '')}", output.strip() or "ended badly"))
    if not cases:
        cases.append(Case("fail", f"{label}: {suite.get('name', '')}", "reported no test at all"))
    return cases


def read_junit(path):
    root = ET.parse(path).getroot()
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    if not suites:
        return [Case("fail", path.stem, "holds no test suite")]
    return [case for suite in suites for case in junit_suite(path.stem, suite)]


def read_step(path):
    head, _, why = path.read_text(errors="replace").partition("\n")
    verdict, _, name = head.partition(" ")
    if verdict not in ("pass", "fail", "skip") or not name:
        return [Case("fail", path.stem, f"not a step report: {head!r}")]
    return [Case(verdict, name, why.strip())]


def read_report(path):
    try:
        return read_step(path) if path.suffix == ".step" else read_junit(path)
    except (OSError, ET.ParseError) as problem:
        return [Case("fail", path.stem, f"no readable report: {problem}")]


def tail(text):
    lines = text.splitlines()
    return lines if len(lines) <= DETAIL_LINES else ["…"] + lines[-DETAIL_LINES:]


def render(cases):
    """The lines to print: skips, failures, then the verdict."""
    out = []
    for verdict, title in (("skip", "SKIPPED"), ("fail", "FAILED")):
        for case in (c for c in cases if c.verdict == verdict):
            why = tail(case.why)
            out.append(f"{title} {case.name}" + (f": {why[0]}" if len(why) == 1 else ""))
            out += [f"    {line}" for line in why] if len(why) > 1 else []
    count = {v: sum(c.verdict == v for c in cases) for v in ("pass", "fail", "skip")}
    out.append(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped")
    return out, 1 if count["fail"] or not count["pass"] else 0


def main(arguments):
    cases = [case for name in arguments for case in read_report(pathlib.Path(name))]
    lines, code = render(cases)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
