# SPDX-License-Identifier: Apache-2.0
"""The verdict of ./check: counted right, and never green by accident."""
import pytest
import sum_tests

PASSING = '<testsuite name="s" tests="2" failures="0" errors="0"><testcase name="a"/><testcase name="b"/></testsuite>'
MIXED = """<testsuites><testsuite name="s" tests="4" failures="1" errors="1">
<testcase classname="c" name="good"/>
<testcase classname="c" name="bad"><failure message="1 != 2">trace</failure></testcase>
<testcase classname="c" name="broken"><error>no fixture</error></testcase>
<testcase classname="c" name="left"><skipped message="needs root"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def verdict(tmp_path, capsys):
    def run(**files):
        paths = []
        for name, text in files.items():
            path = tmp_path / name.replace("_xml", ".xml").replace("_step", ".step")
            if text is not None:
                path.write_text(text)
            paths.append(str(path))
        code = sum_tests.main(paths)
        return code, capsys.readouterr().out.splitlines()
    return run


def test_all_pass(verdict):
    assert verdict(a_xml=PASSING, b_step="pass layers\n") == (0, ["3 passed, 0 failed, 0 skipped"])


def test_mixed_is_counted_and_named(verdict):
    code, lines = verdict(unit_xml=MIXED)
    assert code == 1
    assert lines == [
        "SKIPPED unit: c.left: needs root",
        "FAILED unit: c.bad: 1 != 2",
        "FAILED unit: c.broken: no fixture",
        "1 passed, 2 failed, 1 skipped",
    ]


@pytest.mark.parametrize("text", [None, "", "<testsuite", "<testsuites/>", '<testsuite name="empty"/>'])
def test_missing_or_damaged_report_fails(verdict, text):
    code, lines = verdict(a_xml=PASSING, b_xml=text)
    assert code == 1
    assert lines[-1] == "2 passed, 1 failed, 0 skipped"


def test_suite_that_ended_badly_without_a_failed_case(verdict):
    """meson counts a test program that died of a signal as an error of the suite alone."""
    suite = '<testsuite name="s" tests="1" errors="1" failures="0"><testcase name="a"/><system-err>Aborted</system-err></testsuite>'
    code, lines = verdict(a_xml=suite)
    assert code == 1
    assert lines == ["FAILED a: s: Aborted", "1 passed, 1 failed, 0 skipped"]


def test_a_skip_of_cmocka_is_no_failure(verdict):
    suite = """<testsuite name="s" tests="2" failures="1" errors="0"><testcase name="1 - a"/>
<testcase name="2"><failure/><system-out>test_b</system-out></testcase><system-out>1..2
ok 1 - a
not ok 2 # SKIP test_b
</system-out></testsuite>"""
    code, lines = verdict(a_xml=suite)
    assert code == 0
    assert lines == ["SKIPPED a: s.test_b: the test skipped itself: it needs what is not here", "1 passed, 0 failed, 1 skipped"]
    code, lines = verdict(a_xml=suite.replace("# SKIP test_b", "- test_b"))
    assert code == 1


def test_step_reports(verdict):
    code, lines = verdict(a_step="fail clang\nx.c:1: error\nx.c:2: error\n", b_step="skip musl\nno musl-gcc\n", c_step="odd")
    assert code == 1
    assert lines == [
        "SKIPPED musl: no musl-gcc",
        "FAILED clang", "    x.c:1: error", "    x.c:2: error",
        "FAILED c: not a step report: 'odd'",
        "0 passed, 2 failed, 1 skipped",
    ]


def test_nothing_at_all_is_no_success(verdict):
    assert verdict() == (1, ["0 passed, 0 failed, 0 skipped"])


def test_long_reason_is_cut_to_its_end(verdict):
    _, lines = verdict(a_step="fail x\n" + "\n".join(str(n) for n in range(100)))
    assert lines[1] == "    …"
    assert lines[-2] == "    99"
    assert len(lines) == sum_tests.DETAIL_LINES + 3
