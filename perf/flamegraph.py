"""Sampled stacks as a flame graph: a box for each call, as wide as its share of the samples, callers below callees."""

import os
from xml.sax.saxutils import escape

from tools.load.core import ROOT

WIDTH, ROW, MARGIN = 1200, 17, 10  # pixels
LABEL_WIDTH_MIN = 40  # narrower boxes have no label, only a tooltip
CHARACTER_WIDTH = 6.3
COLOURS = ("#e4572e", "#e8743b", "#ed924a", "#f2ae5a", "#f5c76e")


def collapsed(samples):
    """{(code objects, innermost first): count} -> {(names, outermost first): count}"""
    stacks = {}
    for codes, count in samples.items():
        stack = tuple(_name(code) for code in reversed(codes))
        stacks[stack] = stacks.get(stack, 0) + count
    return stacks


def _name(code):
    path = code.co_filename
    if path.startswith(ROOT):
        path = os.path.relpath(path, ROOT)
    elif os.sep in path:
        path = os.path.basename(path)
    return "%s:%s" % (path, code.co_name)


def flame_graph(stacks):
    """{(names, outermost first): count} -> SVG"""
    total = sum(stacks.values()) or 1
    depth = max(map(len, stacks), default=0)
    height = depth * ROW + 2 * MARGIN
    boxes = []
    _place(boxes, stacks, 0, 0, (WIDTH - 2 * MARGIN) / total)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="monospace" font-size="11">'
             % (WIDTH, height)]  # fmt: skip
    for name, level, x, width, count in boxes:
        y = height - MARGIN - (level + 1) * ROW
        colour = COLOURS[sum(name.encode()) % len(COLOURS)]
        label = name[: int(width / CHARACTER_WIDTH)] if width > LABEL_WIDTH_MIN else ""
        parts.append(
            '<g><title>%s: %d samples, %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>'
            '<text x="%.1f" y="%d">%s</text></g>'
            % (escape(name), count, 100 * count / total, MARGIN + x, y, max(width - 0.5, 0.3), ROW - 1, colour,
               MARGIN + x + 3, y + ROW - 5, escape(label))
        )  # fmt: skip
    return "\n".join([*parts, "</svg>", ""])


def _place(boxes, stacks, level, x, scale):
    """Add the boxes of one level, and of what stands on each."""
    groups = {}
    for stack, count in stacks.items():
        if stack:
            groups.setdefault(stack[0], {})[stack[1:]] = count
    for name, rest in sorted(groups.items()):
        count = sum(rest.values())
        boxes.append((name, level, x, count * scale, count))
        _place(boxes, rest, level + 1, x, scale)
        x += count * scale
