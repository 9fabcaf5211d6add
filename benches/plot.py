#!/usr/bin/env python3
"""Draws OUT.svg of what benches/contention printed: plot.py OUT.svg < OUTPUT; `make plot` does it for docs/performance.svg. Bars: the CPU time of an operation in each of so many
threads on one engine, beside one thread alone; 1.0 is where threads do not meet."""
import pathlib
import re
import sys

COLOURS = {2: "#5b7fbf", 4: "#3c9a5f", 8: "#b08a2e", 16: "#c0603a"}
WIDTH, BASE, UNIT = 760, 220, 130


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = []
    for line in sys.stdin:
        found = re.match(r"(.+?)\s+1 thread +([\d.]+) ns", line)
        if found:
            rows.append((found[1], float(found[2]), [(int(count), float(times)) for count, times in re.findall(r"(\d+): +([\d.]+) times", line)]))
    if not rows:
        raise SystemExit("plot.py: there is no line of benches/contention in the input")
    top = max(times for _, _, bars in rows for _, times in bars)
    scale = min(UNIT, 180 / top)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {BASE + 70}" role="img" font-family="system-ui, sans-serif" font-size="13"'
           ' aria-label="CPU time of operations by threads on one engine, beside one thread alone">',
           "<style>text { fill: #7d8792 } line { stroke: #808890 }</style>"]
    for mark in (0, 1, *([2, 3, 4] if top > 1.5 else [])):
        y = BASE - mark * scale
        if y > 20:
            out += [f'<line x1="40" y1="{y:.0f}" x2="{WIDTH - 10}" y2="{y:.0f}" stroke-dasharray="{"0" if mark == 0 else "4 4"}"/>',
                    f'<text x="34" y="{y + 4:.0f}" text-anchor="end">{mark}</text>']
    group = (WIDTH - 60) / len(rows)
    for at, (name, alone, bars) in enumerate(rows):
        left, width = 60 + at * group, min(44, (group - 40) / len(bars))
        for number, (count, times) in enumerate(bars):
            x, height = left + number * width, times * scale
            out += [f'<rect x="{x:.0f}" y="{BASE - height:.0f}" width="{width - 6:.0f}" height="{height:.0f}" fill="{COLOURS.get(count, "#808890")}"/>',
                    f'<text x="{x + width / 2 - 3:.0f}" y="{BASE - height - 5:.0f}" text-anchor="middle">{times:.2f}</text>',
                    f'<text x="{x + width / 2 - 3:.0f}" y="{BASE + 16}" text-anchor="middle">{count}</text>']
        out.append(f'<text x="{left + len(bars) * width / 2:.0f}" y="{BASE + 36}" text-anchor="middle" font-weight="600">{name}: {alone:.1f} ns alone</text>')
    out.append(f'<text x="{WIDTH / 2}" y="{BASE + 60}" text-anchor="middle">threads on one engine; CPU time of each operation, beside one thread alone</text>')
    pathlib.Path(sys.argv[1]).write_text("\n".join(out) + "\n</svg>\n", encoding="utf-8")


main()
