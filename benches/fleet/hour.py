"""A busy hour, simulated: 20 submissions a second, table C locked for a minute, people who wait ten seconds and send again. What each decision
loses, does twice, and keeps busy. `--write` writes docs/busy-hour.md and its chart, `--check` compares them. No clock, no chance but the seed.
"""

import heapq
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE, CHART = ROOT / "docs/busy-hour.md", ROOT / "docs/busy-hour.svg"
HOUR, RATE, WORK = 3600, 20, 0.2  # seconds, submissions a second, seconds that one takes
LOCKED = (1800, 1860)
PATIENCE, TRIES = 10, 3  # a person waits so long, and sends it so often
CAP = 200  # requests that one host works on for clients that have gone, where the cap hands them back
DECISIONS = {
    "stop": "the client goes, the request stops at its next safe point: A and B are written, C and D are not",
    "finish": "the client goes, the request goes on; what is sent again is done again",
    "finish + key": "the same, and what is sent again with its key is told to wait",
    "accepted, capped": f"a journal has it before the work begins; above {CAP} that wait for C the rest is handed back and done later",
}


def simulate(decision, seed=1):
    """Lost, done twice, the most in flight, and how many are in flight at each second."""
    chance = random.Random(seed)
    events, number = [], 0

    def at(when, what, *more):
        nonlocal number
        number += 1
        heapq.heappush(events, (when, number, what, more))

    when, people = 0.0, 0
    while (when := when + chance.expovariate(RATE)) < HOUR:
        at(when, "send", people, 1)
        people += 1
    saved, half, working, handed_back = [0] * people, [0] * people, {}, []
    busy, most, curve = 0, 0, []
    keyed = decision in ("finish + key", "accepted, capped")
    next_second = 0
    while events:
        now, _, what, more = heapq.heappop(events)
        while next_second <= now and next_second <= HOUR:
            curve.append(busy)
            next_second += 1
        if what == "send":
            person, tries = more
            if keyed and (saved[person] or person in working):
                continue  # saved before, or 409: it is being worked on
            waits = LOCKED[0] <= now < LOCKED[1]
            if decision == "accepted, capped" and waits and busy >= CAP:
                working[person] = True
                handed_back.append(person)
                continue
            busy += 1
            most = max(most, busy)
            working[person] = True
            end = (LOCKED[1] if waits else now) + WORK
            if end - now > PATIENCE:
                at(now + PATIENCE, "leave", person, tries)
                if decision == "stop":
                    continue  # it does not reach its end
            at(end, "end", person)
        elif what == "leave":
            person, tries = more
            if decision == "stop":
                busy -= 1
                half[person] += 1
            if tries < TRIES:
                at(now + chance.uniform(0.5, 2), "send", person, tries + 1)
        else:
            (person,) = more
            busy -= 1
            saved[person] += 1
            working.pop(person, None)
            if handed_back and now >= LOCKED[1] and busy < CAP:
                other = handed_back.pop(0)
                busy += 1
                most = max(most, busy)
                at(now + WORK, "end", other)
    return {
        "people": people, "lost": sum(not one for one in saved), "twice": sum(max(one - 1, 0) for one in saved),
        "halves": sum(half), "most": most, "curve": curve,
    }


def chart(results):
    """In flight, second by second, around the minute in which C is locked."""
    first, last, width, height = LOCKED[0] - 20, LOCKED[1] + 40, 720, 300
    top = max(max(one["curve"][first:last]) for one in results.values())
    colours = ["#b3261e", "#8a6d00", "#1b6e3c", "#1f5fa8"]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 60}" font-family="sans-serif" font-size="12" role="img">',
           "<title>Requests in flight while table C is locked</title>", f'<rect width="{width}" height="{height + 60}" fill="#fff"/>']
    x = lambda second: 50 + (second - first) * (width - 70) / (last - first)  # noqa: E731
    y = lambda count: 20 + (height - 40) * (1 - count / top)  # noqa: E731
    out.append(f'<rect x="{x(LOCKED[0]):.1f}" y="20" width="{x(LOCKED[1]) - x(LOCKED[0]):.1f}" height="{height - 40}" fill="#eee"/>')
    out.append(f'<text x="{x(LOCKED[0]) + 4:.1f}" y="34">C is locked</text>')
    for count in range(0, top + 1, 500):
        out.append(f'<text x="44" y="{y(count) + 4:.1f}" text-anchor="end">{count}</text><path d="M50 {y(count):.1f}H{width - 20}" stroke="#ddd"/>')
    for at, (name, one) in enumerate(results.items()):
        points = " ".join(f"{x(second):.1f},{y(one['curve'][second]):.1f}" for second in range(first, last))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colours[at]}" stroke-width="2"/>')
        out.append(f'<rect x="{50 + at * 165}" y="{height + 20}" width="12" height="12" fill="{colours[at]}"/><text x="{68 + at * 165}" y="{height + 31}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def page(results):
    people = next(iter(results.values()))["people"]
    rows = "\n".join(f"| {name} | {DECISIONS[name]} | {one['lost']:,} | {one['halves']:,} | {one['twice']:,} | {one['most']:,} |" for name, one in results.items())
    return f"""# A busy hour

{people:,} people submit a form within an hour, {RATE} a second. For one minute of it another program holds a lock on table C. Whoever has waited for
{PATIENCE} seconds closes the page and sends the form again, {TRIES} times at the most. Each decision sees the same people.

| decision | what happens | lost | left half written | done twice | in flight at the most |
| --- | --- | --- | --- | --- | --- |
{rows}

![Requests in flight, second by second](busy-hour.svg)

Simulated by [benches/fleet/hour.py](../benches/fleet/hour.py): a model of people and of one lock, not a measurement of a server. It writes this page.
"""


def main():
    results = {name: simulate(name) for name in DECISIONS}
    made = {PAGE: page(results), CHART: chart(results)}
    for path, text in made.items():
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif "--check" in sys.argv:
            assert path.read_text(encoding="utf-8") == text, f"{path.name} is not what benches/fleet/hour.py writes: --write"
    print(made[PAGE])


if __name__ == "__main__":
    main()
