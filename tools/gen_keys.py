#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/keys.md, man/zinit.toml.5.scd and docs/service.schema.json from the table of keys, as zinit-keys prints it.

usage: gen_keys.py [--check] [ZINIT-KEYS]

With --check nothing is written; it fails if a file is stale. ZINIT-KEYS is the program to ask, by default that of
$ZINIT_BUILD or build/.
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


# --- the manual page ---------------------------------------------------------------------------

MAN_HEAD = """zinit.toml(5)

# NAME

zinit.toml - service files and server settings of zinit

# DESCRIPTION

A service is described by one TOML file, _/etc/zinit/services/NAME.toml_; see *zinit-server*(8) for other places. The file's stem and the name
in it should agree. A file with an error is reported with line and column, and never stops the others; unknown keys are warned about, and errors
for *zinit check*.

Settings of the server itself stand in _/etc/zinit/zinit.toml_, which need not exist.

Of each key is said here its type, its default if it has one, and what a change costs when the configuration is reloaded: nothing (live), or a
restart. Sizes take k, M, G and T, which are 1024-based; spans take s, m, h, d and w.
"""

MAN_TAIL = """
# EXAMPLE

```
[service]
name = "api"
exec = "/usr/bin/api --port 8080"
user = "api"

[dependencies]
requires = ["db"]

[lifecycle]
restart = "always"

[health]
type = "http"
target = "http://127.0.0.1:8080/healthz"
```

# SEE ALSO

*zinit*(1), *zinit-server*(8)
"""


def scd(text):
    for char in "\\*_":
        text = text.replace(char, "\\" + char)
    return text


def man_key(row, prefix):
    facts = [type_of(row).replace("`", "")]
    if row["required"]:
        facts.append("required")
    elif row["default"] is not None:
        facts.append(f"default {row['default']}")
    facts.append(row["apply"])
    return f"\n*{scd(row['key'][len(prefix):])}* ({scd('; '.join(facts))})\n\t{scd(row['doc'])}"


def man_section(section, rows):
    brackets = f"[{section['key']}]" if section["type"] == "table" else f"[{section['key']}], [[{section['key']}]]"
    yield f"\n## {brackets}\n\n{scd(section['doc'])}"
    for row in rows:
        yield man_key(row, section["key"] + ".")


def render_man(tables):
    lines = [MAN_HEAD.rstrip("\n")]
    for name, title, _ in FILES:
        lines.append(f"\n# {title.upper()}")
        live = [row for row in tables[name] if row["type"] != "removed"]
        for section in [row for row in live if "." not in row["key"]]:
            lines.extend(man_section(section, [row for row in live if row["key"].startswith(section["key"] + ".")]))
    lines.append(MAN_TAIL.rstrip("\n"))
    return "\n".join(lines) + "\n"


# --- the JSON schema ---------------------------------------------------------------------------

STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA_TYPES = {
    "string": {"type": "string"}, "name": {"type": "string"}, "path": {"type": "string"}, "output": {"type": "string"},
    "octal mode": {"type": "string", "pattern": "^[0-7]{1,5}$"}, "boolean": {"type": "boolean"},
    "integer": {"type": "integer"}, "milliseconds": {"type": "integer"}, "number": {"type": "number"},
    "user or group number": {"type": "integer"}, "size": {"type": ["integer", "string"]},
    "span": {"type": ["integer", "string"]}, "percentage": {"type": ["integer", "string"]},
    "signal": {"type": ["integer", "string"]}, "command": {"anyOf": [{"type": "string"}, STRINGS]},
    "list of strings": STRINGS, "list of names": STRINGS, "list of capabilities": STRINGS, "list of choices": STRINGS,
    "list of integers": {"type": "array", "items": {"type": "integer"}},
    "table of strings": {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}},
    "resource limits": {"type": "object"}, "HTTP statuses": {"type": ["integer", "string", "array"]}, "choice": {"type": "string"},
}


def schema_of(row):
    one = dict(SCHEMA_TYPES[row["type"]])
    if row["type"] == "choice":
        one["enum"] = row["choices"]
    if row["type"] in ("integer", "milliseconds") and row["max"]:
        one.update(minimum=row["min"], maximum=row["max"])
    one["description"] = row["doc"]
    return one


def schema_section(section, rows):
    prefix = section["key"] + "."
    table = {"type": "object", "description": section["doc"], "additionalProperties": False,
             "properties": {row["key"][len(prefix):]: schema_of(row) for row in rows}}
    required = [row["key"][len(prefix):] for row in rows if row["required"]]
    if required:
        table["required"] = required
    if section["type"] == "table":
        return table
    return {"anyOf": [table, {"type": "array", "items": table}]}


def render_schema(tables):
    live = [row for row in tables["service"] if row["type"] != "removed"]
    sections = {row["key"]: schema_section(row, [r for r in live if r["key"].startswith(row["key"] + ".")])
                for row in live if "." not in row["key"]}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "zinit service file", "type": "object",
              "properties": sections, "additionalProperties": False,
              "oneOf": [{"required": ["service"]}, {"required": ["target"]}]}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


OUTPUTS = {
    "docs/keys.md": render,
    "man/zinit.toml.5.scd": render_man,
    "docs/service.schema.json": render_schema,
}


def is_fresh(path, text):
    return path.exists() and path.read_text(encoding="utf-8") == text


def main(argv):
    root = pathlib.Path(__file__).resolve().parent.parent
    check = "--check" in argv
    given = [a for a in argv[1:] if a != "--check"]
    program = given[0] if given else root / os.environ.get("ZINIT_BUILD", "build") / "src/config/zinit-keys"
    tables = json.loads(subprocess.run([program], check=True, capture_output=True).stdout)
    stale = [name for name, make in OUTPUTS.items() if not is_fresh(root / name, make(tables))]
    for name in stale:
        if check:
            print(f"{name} is stale: run tools/gen_keys.py", file=sys.stderr)
        else:
            (root / name).write_text(OUTPUTS[name](tables), encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
