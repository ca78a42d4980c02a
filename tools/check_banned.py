#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls and marks that may not be in the tree, each with what to do instead.

Usage: check_banned.py [ROOT]. Prints file:line: reason for each; exit 1 if there is any.
Comments and string literals of C do not count for calls.
"""
import pathlib
import re
import sys

# call -> what to use instead
BANNED = {
    "strcpy": "str_copy()", "strcat": "strbuf", "strncpy": "str_copy()", "strncat": "strbuf",
    "stpcpy": "str_copy()", "sprintf": "snprintf()", "vsprintf": "vsnprintf()",
    "strtok": "strtok_r() or a loop", "gets": "fgets()", "atoi": "parse_int()",
    "atol": "parse_int()", "atoll": "parse_int()", "atof": "a parser with an error",
    "system": "spawn", "popen": "spawn", "alloca": "strbuf", "tmpnam": "mkstemp()",
    "mktemp": "mkstemp()", "localtime": "localtime_r()",
    "gmtime": "gmtime_r()", "asctime": "time_rfc3339()", "ctime": "time_rfc3339()",
}
# A test may use what is short: its input is its own, and its crash is a failure that is seen.
SHORT_IN_TESTS = ("strcpy", "strcat", "sprintf", "atoi", "system", "popen")
# The daemon does not leave on an error: these are for the programs' main files and for children.
LEAVING = {"exit": "return an error", "abort": "return an error", "err": "return an error",
           "errx": "return an error", "perror": "struct error"}
LEAVING_ALLOWED = ("src/cli/", "src/server/main.c", "src/server/options.c", "src/keeper/main.c",
                   "src/pid1/main.c", "src/worker/main_", "src/web/main.c", "test/")
# A test waits for an event, never for a time.
NAPS = {"sleep": "wait for the event", "usleep": "wait for the event", "nanosleep": "wait for the event"}
# Programs that hang or nap because that is what they are for, the one poll loop of the e2e tests, and:
NAPS_ALLOWED = ("test/zoo/", "test/bench/", "test/e2e/harness/wait.py",
                # strike at random instants
                "test/unit/supervisor/test_state.c", "test/unit/log/test_store.c", "test/e2e/harness/killing.py",
                "test/e2e/test_spawn.py")
NAPS_PYTHON = re.compile(r"\btime\.sleep\s*\(")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
LINES_MAX = 800

C_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_c(text):
    """The code without comments and literals, every line break kept."""
    return C_NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def calls(text, table):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(table) + r")\s*\(")
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield number, f"{match[1]}(): {table[match[1]]}"


def check_c(name, text):
    code = strip_c(text)
    short = SHORT_IN_TESTS if name.startswith("test/") else ()
    yield from calls(code, {call: instead for call, instead in BANNED.items() if call not in short})
    if not name.startswith(LEAVING_ALLOWED):
        yield from calls(code, LEAVING)
    if name.startswith("test/") and not name.startswith(NAPS_ALLOWED):
        yield from calls(code, NAPS)


def check_python(name, text):
    if name.startswith("test/") and not name.startswith(NAPS_ALLOWED):
        for number, line in enumerate(text.splitlines(), 1):
            if NAPS_PYTHON.search(line):
                yield number, "time.sleep(): wait for the event"


def check_text(name, text):
    """All that is wrong with one file, as (line, reason)."""
    lines = text.splitlines()
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:3]):
        yield 1, "no SPDX line at the top"
    if len(lines) > LINES_MAX:
        yield len(lines), f"more than {LINES_MAX} lines: does it still own one thing?"
    for number, line in enumerate(lines, 1):
        if MARKS.search(line):
            yield number, "do it, or say it in an issue"
    yield from (check_python if name.endswith(".py") else check_c)(name, text)


def check_tree(root):
    root = pathlib.Path(root)
    count, problems = 0, []
    for file in sorted(f for top in ("src", "test") for f in (root / top).rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.suffix not in (".c", ".h", ".cc", ".py") or "/fixtures/" in name:
            continue
        count += 1
        for number, reason in check_text(name, file.read_text(errors="replace")):
            problems.append(f"{name}:{number}: {reason}")
    return count, problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    count, problems = check_tree(root)
    print("\n".join(problems) if problems else f"banned calls: none in {count} files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
