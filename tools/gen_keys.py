#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/keys.md from the table of keys, as the program zinit-keys prints it.

usage: gen_keys.py [--check] [ZINIT-KEYS [FILE]]

With --check nothing is written; it fails if FILE is stale. ZINIT-KEYS is the program to ask, by default that of
$ZINIT_BUILD or build/; FILE is docs/keys.md by default.
"""
import json
import os
import pathlib
import subprocess
import sys

HEAD = """# Configuration keys

Generated from the table in `src/config/keys.c` by `tools/gen_keys.py`; edits here are lost.

*Apply* says what a changed key costs when the configuration is reloaded: nothing (`live`), or a `restart` of the service (of the server,
for its own settings). Sizes take `k`, `M`, `G`, `T` (1024-based), spans `s`, `m`, `h`, `d`, `w`.
"""

FILES = (
    ("service", "Service files", "One service or target a file, `/etc/zinit/services/NAME.toml`. The same tree as JSON is what RPC takes and returns."),
    ("settings", "Server settings", "`/etc/zinit/zinit.toml`, optional."),
)


def escape(text):
    return text.replace("|", "\\|")


def type_of(row):
    text = row["type"]
    if row["choices"] and row["type"] in ("choice", "list of choices"):
        text = ("list of: " if row["type"].startswith("list") else "") + ", ".join(f"`{c}`" for c in row["choices"])
    elif row["max"]:
        low, high = row["min"], row["max"]
        if row["type"] == "number":
            low, high = low / 1000, high / 1000
        if row["type"] != "octal mode":
            text += f", {low:g} to {high:g}" if row["type"] == "number" else f", {low} to {high}"
    return text


def default_of(row):
    if row["required"]:
        return "required"
    return "" if row["default"] is None else f"`{row['default']}`"


def section_lines(section, rows):
    name = section["key"]
    brackets = f"[[{name}]]" if section["repeats"] and section["type"].endswith("tables") else f"[{name}]"
    yield f"\n### `{brackets}`\n\n{section['doc']}\n"
    yield "| Key | Type | Default | Apply | Since | Meaning |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        key = row["key"][len(name) + 1:]
        yield f"| `{key}` | {escape(type_of(row))} | {default_of(row)} | {row['apply']} | {row['since']} | {escape(row['doc'])} |"


def table_lines(rows):
    gone = [row for row in rows if row["type"] == "removed"]
    live = [row for row in rows if row["type"] != "removed"]
    sections = [row for row in live if "." not in row["key"]]
    for section in sections:
        prefix = section["key"] + "."
        yield from section_lines(section, [row for row in live if row["key"].startswith(prefix)])
    if gone:
        yield "\n### Names that are gone\n\n| Key | Instead |\n|---|---|"
        for row in gone:
            yield f"| `{row['key']}` | {escape(row['doc'])} |"


def render(tables):
    lines = [HEAD.rstrip("\n")]
    for name, title, text in FILES:
        lines.append(f"\n## {title}\n\n{text}")
        lines.extend(table_lines(tables[name]))
    return "\n".join(lines) + "\n"


def main(argv):
    root = pathlib.Path(__file__).resolve().parent.parent
    check = "--check" in argv
    given = [a for a in argv[1:] if a != "--check"]
    build = root / os.environ.get("ZINIT_BUILD", "build")
    program = given[0] if given else build / "src/config/zinit-keys"
    path = given[1] if len(given) > 1 else root / "docs/keys.md"
    text = render(json.loads(subprocess.run([program], check=True, capture_output=True).stdout))
    if not check:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return 0
    with open(path, encoding="utf-8") as old:
        if old.read() == text:
            return 0
    print(f"{path} is stale: run tools/gen_keys.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
