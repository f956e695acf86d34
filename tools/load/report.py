"""Figures for people: lines of text, and latency over percentiles as a drawing."""

import math

WIDTH, HEIGHT, MARGIN = 760, 420, 60  # of the drawing, in pixels
NINES_MAX = 5  # 99.999 %
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


def print_figures(figures, indent=0):
    """Print nested figures, one a line."""
    for name, value in figures.items():
        label = " " * indent + name
        if isinstance(value, list):
            value = {"%d" % (index + 1): item for index, item in enumerate(value)}
        if isinstance(value, dict):
            print(label)
            print_figures(value, indent + 2)
        else:
            print("%-26s %s" % (label, "{:,}".format(value) if isinstance(value, (int, float)) else value))


def plot(histograms):
    """{name: HdrHistogram} -> SVG: latency in microseconds (logarithmic) over percentiles (by nines)."""
    highest = max(histogram.get_max_value() for histogram in histograms.values()) / 1000
    decades = max(2, math.ceil(math.log10(max(highest, 10))))
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">'
        % (WIDTH, HEIGHT),
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for decade in range(decades + 1):
        y = _y(10**decade, decades)
        label = "{:,} us".format(10**decade)
        parts.append('<path d="M%d %.1fH%d" stroke="#ddd"/>' % (MARGIN, y, WIDTH - MARGIN))
        parts.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (MARGIN - 6, y + 4, label))
    for nines in range(NINES_MAX + 1):
        x = _x(nines)
        label = "%.10g %%" % (100 - 100 / 10**nines)
        parts.append('<path d="M%.1f %dV%d" stroke="#ddd"/>' % (x, MARGIN, HEIGHT - MARGIN))
        parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (x, HEIGHT - MARGIN + 18, label))
    for index, (name, histogram) in enumerate(histograms.items()):
        colour = COLOURS[index % len(COLOURS)]
        parts.append(
            '<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>' % (colour, _points(histogram, decades))
        )
        parts.append('<text x="%d" y="%d" fill="%s">%s</text>' % (MARGIN + 10, MARGIN + 16 * (index + 1), colour, name))
    return "\n".join([*parts, "</svg>", ""])


def _points(histogram, decades):
    steps = [step / 20 for step in range(NINES_MAX * 20 + 1)]
    values = [histogram.get_value_at_percentile(100 - 100 / 10**nines) / 1000 for nines in steps]
    return " ".join("%.1f,%.1f" % (_x(nines), _y(value, decades)) for nines, value in zip(steps, values))


def _x(nines):
    return MARGIN + (WIDTH - 2 * MARGIN) * nines / NINES_MAX


def _y(value_us, decades):
    return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * math.log10(max(value_us, 1)) / decades
