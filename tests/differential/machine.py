#!/usr/bin/env python3
"""machine.py SEED COUNT OUT: scenarios for the connection machine that our own tests did not choose.

Longer than the recorded ones and closer to the edges: sizes around every buffer, repeated flushes, settings changed back and forth,
shutdown functions that register others. One JSON a line, in the form of tests/conformance/machine.
"""
import json
import random
import sys

SIZES = [0, 1, 2, 9, 10, 11, 4027, 4028, 4095, 4096, 4097, 8115, 8116, 8117, 8183, 8184, 8185, 8191, 8192, 16367, 16368, 20000, 70000]
TEXTS = ["", "0", "1", "-0", "+1", " 1", "1 ", "On", "oN", "off", "yes", "true", "TRUE", "no", "none", "2.5", ".5", "0x1", "01", "00", "1e3",
         "256", "4294967296", "4294967297", "9223372036854775808", "-1", "\t1", "\x0b1", "y", "on ", "null", "65536"]


def operations(random_, functions, depth):
    out = []
    for _ in range(random_.randint(0, 14)):
        kind = random_.choices(["echo", "flush", "st", "iua", "iuaq", "set", "get", "restore", "sd", "exit"],
                               [30, 18, 12, 12, 3, 10, 4, 5, 5 if functions else 0, 1])[0]
        if kind == "echo":
            out.append(["echo", random_.choice(SIZES)])
        elif kind == "iua":
            out.append(["iua", random_.randint(0, 1)])
        elif kind == "set":
            out.append(["set", random_.choice(TEXTS)])
        elif kind == "sd":
            out.append(["sd", random_.choice(functions)])
        else:
            out.append([kind])
    return out


def scenario(random_):
    count = random_.choice([0, 1, 2, 3, 5])
    numbers = list(range(count))
    main = [["sd", number] for number in numbers if random_.random() < .7] + operations(random_, numbers, 0)
    functions = [operations(random_, [later for later in numbers if later > number], 1) for number in numbers]
    if random_.random() < .9:
        where = random_.choice([main, main, *functions])
        where.insert(random_.randint(0, len(where)), ["close"])
    ini = {"ignore_user_abort": random_.choice(["0", "0", "1"]),
           "output_buffering": random_.choice(["0", "0", "1", "2", "10", "4096", "8192", "100000"]),
           "implicit_flush": random_.choice(["0", "0", "1"])}
    return {"ini": ini, "main": main, "sd": functions}


if __name__ == "__main__":
    seed, number, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    source = random.Random(seed)
    with open(path, "w") as out:
        for _ in range(number):
            out.write(json.dumps(scenario(source)) + "\n")
