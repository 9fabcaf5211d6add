#!/usr/bin/env python3
"""Random scenarios for whole servers: gen-servers.py SEED COUNT, one JSON a line.

Beside the scenarios of gen.py, clients leave in four ways, and an early finish (FPM only) and HEAD occur. Where a client leaves in order
(fin), every write is followed by settle, and none takes more than one write of the server: what else is noticed is a race between the
server's own writes and the answers to them, which no rule decides.
"""
import json
import random
import sys

SMALL = [1, 1, 3, 9, 10, 11, 100, 4000, 4095, 4096, 5000, 7931, 7932, 7999, 8000]
LARGE = SMALL + [8001, 8115, 8116, 8117, 8183, 8184, 8185, 9000, 16001, 16368, 20000, 70000]
# What a client leaves unread has to fit into its socket's buffer.
TINY = [1, 1, 3, 9, 10, 11, 100, 1000, 4095]
TEXTS = ["1", "0", "On", "off", "yes", "2", "abc", "", " 1", "-1"]


def operations(source, functions, sizes, finishes):
    out = []
    for _ in range(source.randint(1, 9)):
        kind = source.choices(["echo", "flush", "st", "iua", "iuaq", "set", "get", "restore", "sd", "exit", "finish", "repeat"],
                              [34, 22, 10, 9, 2, 4, 2, 2, 5 if functions else 0, 1, 7 if finishes else 0, 3])[0]
        if kind == "echo":
            out.append(["echo", source.choice(sizes)])
        elif kind == "iua":
            out.append(["iua", source.randint(0, 1)])
        elif kind == "set":
            out.append(["set", source.choice(TEXTS)])
        elif kind == "sd":
            out.append(["sd", source.choice(functions)])
        elif kind == "repeat":
            out += [["repeat", source.choice([2, 10, 30]), [["echo", source.choice([1, 10, 100, 300])]]], ["count"]]
        else:
            out.append([kind])
    return out


def settled(part):
    """Every write is followed by settle."""
    out = []
    for operation in part:
        if operation[0] == "repeat":
            operation = [*operation[:2], settled(operation[2])]
        out.append(operation)
        if operation[0] in ("echo", "flush"):
            out.append(["settle"])
    return out


def scenario(source):
    how = source.choice(["rst", "rst", "fin", "fin", "half", "unread", None])
    finishes = source.random() < .25
    sizes = {"fin": SMALL, "unread": TINY}.get(how, LARGE)
    count = source.choice([0, 1, 2, 3])
    main = [["sd", number] for number in range(count) if source.random() < .8] + operations(source, list(range(count)), sizes, finishes)
    functions = [operations(source, list(range(number + 1, count)), sizes, finishes) for number in range(count)]
    if how:
        where = source.choice([main, main, main, *functions])
        where.insert(source.randint(0, len(where)), ["close", how])
        if how == "unread":
            # Something has to be there to be left unread.
            main[:0] = [["echo", 1], ["flush"]]
    if how == "fin":
        main, functions = settled(main), [settled(part) for part in functions]
    out = {"ini": {"ignore_user_abort": source.choice(["0", "0", "1"]), "output_buffering": source.choice(["0", "0", "0", "4096", "1"]),
                   "implicit_flush": source.choice(["0", "0", "0", "1"])}, "main": main, "sd": functions}
    if finishes:
        out["sapis"] = ["fpm"]
    elif source.random() < .08 and how != "unread":
        out["method"] = "HEAD"
        if how == "fin":
            # FPM writes a HEAD's header with the flush that follows the first output; a host of the library is not told of that output.
            out["sapis"] = ["apache2handler"]
    return out


if __name__ == "__main__":
    source = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        print(json.dumps(scenario(source)))
