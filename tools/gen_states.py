#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw docs/states.svg from the table of states and events, as zinit-states prints it.

usage: gen_states.py [--check] [ZINIT-STATES]

With --check nothing is written; it fails if the file is stale. ZINIT-STATES is the program to ask, by default that of
$ZINIT_BUILD or build/.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "states.svg"

WIDTH = 1300
DIAGRAM = 920
MIDDLE = 440
# In the order of a life; ways forward are arcs above, ways back below. Colours: of the box, and of the ways out of it.
STATES = {
    "inactive": ("#d0d4da", "#6b7480"),
    "blocked": ("#f6d88a", "#b07d00"),
    "starting": ("#a9d3f5", "#1c6fb5"),
    "running": ("#9fdbab", "#1d8a38"),
    "stopping": ("#c9b8ea", "#6a45b8"),
    "exited": ("#d0d4da", "#6b7480"),
    "failed": ("#f2a9a2", "#c0362b"),
}
ORDER = list(STATES)
BOX_W, BOX_H = 120, 44
GAP = (WIDTH - 160) / (len(ORDER) - 1)
# How high an arc over so many boxes rises.
RISE = {1: 55, 2: 135, 3: 215, 4: 290, 5: 355, 6: 410}

STYLE = """
text { font: 13px sans-serif; fill: #222 }
.title { font-size: 18px; font-weight: bold }
.state { font-size: 15px; font-weight: bold; text-anchor: middle }
.event { font-size: 10.5px; text-anchor: middle; paint-order: stroke; stroke: #fff; stroke-width: 4px }
.edge { fill: none; stroke-width: 1.3 }
.box { stroke: #444; stroke-width: 1.3 }
.cell { fill: none; stroke: #bbb; stroke-width: 0.7 }
.small { font-size: 10.5px; text-anchor: middle }
"""


def centre(state):
    return 80 + GAP * ORDER.index(state)


def edge(source, target, events):
    """An arc, and its events at its top."""
    span = ORDER.index(target) - ORDER.index(source)
    up = -1 if span > 0 else 1
    # ways out leave on the right half of a box, ways in arrive on the left half; long ways farther out than short ones
    shift = (8 + 7 * (6 - abs(span))) * (1 if span > 0 else -1)
    x1, x2 = centre(source) + shift, centre(target) - shift
    y = MIDDLE + up * BOX_H / 2
    top = y + up * RISE[abs(span)]
    # a cubic curve rises three quarters of the way to its control points
    control = y + up * RISE[abs(span)] * 4 / 3
    colour = STATES[source][1]
    path = (
        f'<path class="edge" stroke="{colour}" marker-end="url(#{source})" '
        f'd="M{x1:.0f} {y:.0f} C{x1:.0f} {control:.0f} {x2:.0f} {control:.0f} {x2:.0f} {y:.0f}"/>'
    )
    lines = [", ".join(events[i : i + 2]) for i in range(0, len(events), 2)]
    first = top - (len(lines) - 1) * 6 + 4
    labels = [
        f'<text class="event" x="{(x1 + x2) / 2:.0f}" y="{first + 12 * i:.0f}" style="fill:{colour}">{line}</text>'
        for i, line in enumerate(lines)
    ]
    return path, labels


def diagram(cells):
    edges = {}
    for cell in cells:
        for to in cell["to"]:
            if to != cell["state"]:
                edges.setdefault((cell["state"], to), []).append(cell["event"])
    drawn = [edge(source, target, events) for (source, target), events in edges.items()]
    yield from (path for path, _ in drawn)
    for name, (colour, _) in STATES.items():
        yield (
            f'<rect class="box" x="{centre(name) - BOX_W / 2:.0f}" y="{MIDDLE - BOX_H / 2:.0f}" width="{BOX_W}" '
            f'height="{BOX_H}" rx="10" fill="{colour}"/>'
        )
        yield f'<text class="state" x="{centre(name):.0f}" y="{MIDDLE + 5}">{name}</text>'
    for _, labels in drawn:
        yield from labels


def matrix(cells, top):
    """The same as a grid: each state, each event, where it may lead."""
    events = list(dict.fromkeys(cell["event"] for cell in cells))
    by = {(cell["state"], cell["event"]): cell["to"] for cell in cells}
    left, row = 170, 26
    column = (WIDTH - left - 20) / len(STATES)
    yield f'<text class="title" x="20" y="{top}">The table: an event in a state, and the states that it may lead to</text>'
    top += 20
    for i, state in enumerate(STATES):
        x = left + column * i
        yield f'<rect class="box" x="{x:.0f}" y="{top}" width="{column:.0f}" height="{row}" fill="{STATES[state][0]}"/>'
        yield f'<text class="state" x="{x + column / 2:.0f}" y="{top + 18}">{state}</text>'
    for j, event in enumerate(events):
        y = top + row * (j + 1)
        yield f'<text x="20" y="{y + 17}">{event}</text>'
        for i, state in enumerate(STATES):
            x = left + column * i
            to = by.get((state, event))
            others = [s for s in to or [] if s != state]
            if to is None:
                text, fill = "not expected", "#888"
            elif not others:
                text, fill = "stays", "#888"
            else:
                text, fill = ", ".join(others), "#222"
            yield f'<rect class="cell" x="{x:.0f}" y="{y}" width="{column:.0f}" height="{row}"/>'
            if len(text) <= 26:
                yield f'<text class="small" x="{x + column / 2:.0f}" y="{y + 17}" style="fill:{fill}">{text}</text>'
                continue
            half = len(others) // 2
            for k, part in enumerate((", ".join(others[:half]) + ",", ", ".join(others[half:]))):
                yield (
                    f'<text class="small" x="{x + column / 2:.0f}" y="{y + 11 + 11 * k}" style="fill:{fill}">{part}</text>'
                )


def height(cells):
    return DIAGRAM + 80 + 26 * (len({cell["event"] for cell in cells}) + 1)


def render(cells):
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height(cells)}" '
        f'viewBox="0 0 {WIDTH} {height(cells)}">',
        "<!-- Generated from the table in src/service/machine.c by tools/gen_states.py; edits here are lost. -->",
        f"<style>{STYLE}</style>",
        "<defs>",
        *(
            f'<marker id="{state}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0 L10 5 L0 10 z" fill="{colour}"/></marker>'
            for state, (_, colour) in STATES.items()
        ),
        "</defs>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        '<text class="title" x="20" y="36">States of a service, and the events that move it: forward above, back below</text>',
        *diagram(cells),
        *matrix(cells, DIAGRAM + 20),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main(args):
    check = "--check" in args
    names = [arg for arg in args if arg != "--check"]
    program = names[0] if names else ROOT / os.environ.get("ZINIT_BUILD", "build") / "src/service/zinit-states"
    cells = json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
    text = render(cells)
    if not check:
        TARGET.write_text(text)
        return 0
    if TARGET.exists() and TARGET.read_text() == text:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is stale: run tools/gen_states.py")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
