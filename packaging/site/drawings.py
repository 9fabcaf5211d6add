#!/usr/bin/env python3
"""Draws docs/concepts/*.svg, or into another directory: one drawing for each concept, in colours that are seen on white and on black."""
import html
import pathlib
import sys

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2] / "docs/concepts"
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" font-family="system-ui, sans-serif" font-size="14">
<style>
.box {{ fill: #5b7fbf22; stroke: #5b7fbf; stroke-width: 1.5 }}
.good {{ fill: #3c9a5f22; stroke: #3c9a5f; stroke-width: 1.5 }}
.bad {{ fill: #c0603a22; stroke: #c0603a; stroke-width: 1.5 }}
.line {{ stroke: #808890; stroke-width: 1.5; fill: none }}
text {{ fill: #7d8792 }}
.strong {{ font-weight: 600 }}
.small {{ font-size: 12px }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#808890"/></marker></defs>
"""


def words(x, y, text, kind="small", anchor="middle"):
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(text)}</text>\n'


def box(x, y, width, height, lines, kind="box"):
    drawn = f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>\n'
    top = y + height / 2 - (len(lines) - 1) * 9 + 5
    return drawn + "".join(words(x + width / 2, top + 18 * at, line, "small" if at else "strong") for at, line in enumerate(lines))


def line(*points, tip=True):
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    return f'<path class="line" d="{path}"' + (' marker-end="url(#tip)"' if tip else "") + "/>\n"


def request():
    drawn = box(5, 110, 140, 60, ["begin", "settings, limit, socket"])
    drawn += box(190, 90, 230, 100, ["the work", "check · write · flush", "hold … release"])
    drawn += box(490, 110, 120, 60, ["an ending", "one of nine words"])
    drawn += box(640, 90, 115, 100, ["end", "shutdown", "functions, once"], "good")
    drawn += line((145, 140), (188, 140)) + line((420, 140), (488, 140)) + words(454, 130, "safe point") + line((610, 140), (638, 140))
    for x, width, event in ((120, 105, "client gone"), (235, 95, "time is up"), (340, 95, "cancelled"), (445, 130, "server is to end")):
        drawn += box(x, 10, width, 40, [event], "bad")
    drawn += line((172, 50), (172, 70), (510, 70), (510, 50), tip=False) + line((305, 70), (305, 88))
    drawn += line((282, 50), (282, 70), tip=False) + line((387, 50), (387, 70), tip=False)
    drawn += words(470, 215, "Events only raise a bit. The work asks at its safe points, and is told to go on or to stop;")
    drawn += words(470, 233, "inside a hold it is always told to go on. Nothing interrupts it.")
    drawn += line((200, 190), (200, 258), (697, 258), (697, 192))
    return drawn + words(450, 276, "no safe point for hard_timeout seconds behind a limit: the forced stage")


def value():
    layers = [
        ("built-in default", "compiled into PHP"), ("php.ini", "the file that this PHP reads"), ("conf.d/*.ini", "in the order of names"),
        ("[HOST=] and [PATH=], .user.ini", "CGI and FPM only"), ("pool: php_value", "FPM only"),
        ("Apache: server, host, section, .htaccess", "mod_php only"), ("the running program: ini_set", "where the directive allows it"),
    ]
    drawn = ""
    for at, (layer, who) in enumerate(layers):
        x, y = 20 + 18 * at, 10 + 40 * at
        drawn += f'<rect class="box" x="{x}" y="{y}" width="400" height="32" rx="6"/>\n'
        drawn += words(x + 14, y + 21, layer, "strong", "start") + words(x + 414, y + 21, who, "small", "start")
    drawn += words(20, 306, "Each step down is stronger. php_admin_value, in Apache's files or a pool, locks: what comes behind it is refused.", "small", "start")
    return drawn


def gone():
    drawn = line((20, 120), (740, 120)) + box(20, 40, 120, 50, ["submitted"]) + box(170, 40, 130, 50, ["accepted", "a journal has it"], "good")
    drawn += box(330, 40, 120, 50, ["gone", "the client leaves"], "bad") + box(560, 40, 170, 50, ["done", "shutdown functions ran"], "good")
    for x in (80, 235, 390, 645):
        drawn += line((x, 90), (x, 118))
    drawn += '<rect class="box" x="390" y="132" width="255" height="26" rx="4"/>\n' + words(517, 150, "detached: works though nobody waits")
    drawn += '<rect class="good" x="235" y="168" width="410" height="26" rx="4"/>\n' + words(440, 186, "if its process dies in here, somebody else does it")
    return drawn + words(20, 226, "How many may be detached, and for how long: max_detached and max_detached_time. Shown by outlive status.", "small", "start")


DRAWINGS = {
    "request": (request, 765, 290, "The life of a request: begin, work with safe points, an ending, shutdown functions, end"),
    "value": (value, 765, 320, "Where a value comes from: layers from the built-in default to the running program"),
    "words": (gone, 760, 240, "Gone, detached and accepted, on a line of time"),
}

for name, (draw, width, height, label) in DRAWINGS.items():
    (OUT / f"{name}.svg").write_text(HEAD.format(width=width, height=height, label=label) + draw() + "</svg>\n")
