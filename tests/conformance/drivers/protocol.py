"""The driver's side of the protocol in ../README.md: scenarios on stdin, answers on stdout, one JSON a line."""
import json
import sys
import threading

_output = threading.Lock()


def hello(driver, sapi):
    """Says who answers; `sapi` chooses the recorded answers that the runner compares with."""
    say({"driver": driver, "sapi": sapi})


def scenarios():
    """The scenarios, one after another, as they come."""
    for line in sys.stdin:
        if line.strip():
            yield json.loads(line)


def answer(scenario, log):
    say({"id": scenario["id"], "log": log})


def failed(scenario, why):
    """The driver could not play it: neither right nor wrong, but an error."""
    say({"id": scenario["id"], "error": why})


def say(what):
    with _output:
        print(json.dumps(what), flush=True)
