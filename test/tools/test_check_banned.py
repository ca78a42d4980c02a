# SPDX-License-Identifier: Apache-2.0
"""The check of banned calls can fail, and is not fooled by comments, strings and longer names."""
import pathlib

import check_banned
import pytest

ROOT = pathlib.Path(__file__).parents[2]
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def reasons(name, code, head=SPDX):
    return [reason for _, reason in check_banned.check_text(name, head + code)]


@pytest.mark.parametrize("call", sorted(check_banned.BANNED))
def test_banned_call_is_found(call):
    found = reasons("src/base/x.c", f"\tx = {call} (a, b);\n")
    assert len(found) == 1 and found[0].startswith(f"{call}()")


@pytest.mark.parametrize("name, code", [
    ("src/base/x.c", "/* never strcpy(a, b)\n * nor system(c) */\n"),
    ("src/base/x.c", "// atoi(x)\n"),
    ("src/base/x.c", 'puts("use system(3), not \\"gets(x)\\"");\n'),
    ("src/base/x.c", "my_strcpy(a); loop->system(a); ops.exit(1); strcpy_s(b);\n"),
    ("src/cli/main.c", "exit(2);\n"),
    ("test/unit/log/rig.h", "strcpy(a, b); system(c);\n"),
    ("test/zoo/nap.c", "sleep(100);\n"),
    ("src/process/x.c", "nanosleep(&t, NULL);\n"),
])
def test_harmless_code_passes(name, code):
    assert reasons(name, code) == []


def test_leaving_is_for_main_files_only():
    assert reasons("src/supervisor/x.c", "exit(1);\n") == ["exit(): return an error"]
    assert reasons("src/server/main.c", "exit(1);\n") == []


@pytest.mark.parametrize("nap", ["sleep(1)", "usleep(10)", "nanosleep(&t, NULL)"])
def test_tests_do_not_nap(nap):
    assert len(reasons("test/unit/base/test_x.c", f"\t{nap};\n")) == 1


def test_python_tests_do_not_nap():
    nap = "time" + ".sleep(1)\n"
    spdx = "# SPDX-License-Identifier: Apache-2.0\n"
    assert len(reasons("test/e2e/test_x.py", nap, spdx)) == 1
    assert reasons("test/e2e/harness/wait.py", nap, spdx) == []


@pytest.mark.parametrize("mark", ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
def test_open_marks_are_found(mark):
    assert len(reasons("src/base/x.c", f"/* {mark}: later */\n")) == 1


def test_missing_licence_line_is_found():
    assert reasons("src/base/x.c", "int x;\n", head="") == ["no SPDX line at the top"]


def test_overlong_file_is_found():
    assert "more than 800 lines" in reasons("src/base/x.c", "int x;\n" * 801)[0]


def test_line_number_is_right_after_a_comment():
    code = SPDX + "/* one\n two\n*/\ngets(b);\n"
    assert [line for line, _ in check_banned.check_text("src/base/x.c", code)] == [5]


def test_the_tree_itself():
    count, found = check_banned.check_tree(ROOT)
    assert count > 10
    assert found == []
