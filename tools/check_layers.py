#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: the table below against every #include of src/ (ARCHITECTURE.md, "Layers").

Usage: check_layers.py [ROOT]. Prints file:line: reason for each breach; exit 1 if there is any.
"""
import pathlib
import re
import sys

# A folder may include itself and these folders.
LAYERS = {
    "base": "",
    "loop": "base",
    "keeper": "base",
    "service": "base",
    "process": "base loop",
    "log": "base loop",
    "config": "base loop",
    "ship": "base config log",
    "worker": "base loop config log ship",
    "client": "base loop",
    "cli": "base loop client config service",
    "web": "base loop client",
    "supervisor": "base loop process log config service keeper ship",
    "rpc": "base loop process log config service supervisor",
    "server": "base loop process log config service supervisor rpc keeper",
    "pid1": "base keeper",
}

# System headers that only some files may see: header pattern -> folders or files under src/.
SYSTEM = {
    r"jansson\.h": "config supervisor rpc server client cli ship worker web",
    r"toml\+\+/.*": "config/toml_shim.cc",
    r"curl/.*": "worker",
    r"microhttpd\.h": "web",
    r"zstd\.h": "log ship worker",
    r"zlib\.h": "ship worker",
    r"(ncursesw/)?n?curses\.h": "cli",
    r"libsmartcols/.*": "cli",
    r"cmocka\.h|setjmp\.h": "",
}

# No I/O, no clock, no threads.
PURE = ("service", "ship")
IMPURE = re.compile(r"(sys|arpa|net|netinet|linux)/.*|unistd\.h|fcntl\.h|time\.h|pthread\.h|poll\.h|dirent\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def named(where, names):
    """Is the file `where` (relative to src/) one of `names`, or in one of these folders?"""
    return str(where) in names.split() or where.parts[0] in names.split()


def check_own(where, path):
    folder, target = where.parts[0], pathlib.PurePosixPath(path).parts
    if ".." in target:
        return "includes are written from src/, without '..'"
    if len(target) < 2:
        return f'write "{folder}/{path}": the include root is src/'
    if target[0] not in LAYERS:
        return f"'{target[0]}' is no folder of the layer table"
    if target[0] != folder and target[0] not in LAYERS[folder].split():
        return f"{folder} may not include {target[0]}"
    return None


def check_system(where, header):
    for pattern, allowed in SYSTEM.items():
        if re.fullmatch(pattern, header) and not named(where, allowed):
            return f"<{header}> is for {allowed or 'tests'} only"
    if where.parts[0] in PURE and IMPURE.fullmatch(header):
        return f"{where.parts[0]} is pure: no <{header}>"
    return None


def check_file(src, file):
    where = pathlib.PurePosixPath(file.relative_to(src).as_posix())
    if where.parts[0] not in LAYERS:
        yield f"{file}:1: folder '{where.parts[0]}' is not in the layer table"
        return
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        reason = check_own(where, match[1]) if match[1] else check_system(where, match[2])
        if reason:
            yield f"{file}:{number}: {reason}"


def check_tree(root):
    src = pathlib.Path(root) / "src"
    files = sorted(f for f in src.rglob("*") if f.suffix in (".c", ".h", ".cc"))
    return len(files), [problem for f in files for problem in check_file(src, f)]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    count, problems = check_tree(root)
    print("\n".join(problems) if problems else f"layers: {count} files keep to the table")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
