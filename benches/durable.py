"""What it costs that PostgreSQL keeps a submission: a POST that is accepted and done, beside the same POST without a journal, by the same server, in
turn. The disk is asked (fsync), as where machines may die. Argument: the program of examples/durable."""

import http.client
import pathlib
import statistics
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bindings/python/tests/story"), str(ROOT / "tests/durable")]
import play  # noqa: E402
import postgres  # noqa: E402

ROUNDS, REQUESTS = 9, 60


def ask(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begun = time.perf_counter()
    client.request("POST", "/save", "note", {"Idempotency-Key": uuid.uuid4().hex})
    answer = client.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    client.close()
    return time.perf_counter() - begun


def main():
    with tempfile.TemporaryDirectory(prefix="outlive-postgres-") as directory:
        server = postgres.Postgres(pathlib.Path(directory))
        server.start("-cfsync=on")
        try:
            database = play.Database(server)
            database.make_anew(unique=True)
            with play.c_server(sys.argv[1], "plain", database) as (plain, _), play.c_server(sys.argv[1], "transaction", database) as (kept, _):
                times = {plain: [], kept: []}
                for _ in range(ROUNDS):
                    for port in (plain, kept):
                        times[port].append(statistics.median(ask(port) for _ in range(REQUESTS)) * 1000)
            print("a POST that writes A, B, C and D: %.2f ms; kept in a journal: %.2f ms; %.2f times, the median of %d rounds' ratios" % (
                statistics.median(times[plain]), statistics.median(times[kept]),
                statistics.median(after / before for before, after in zip(times[plain], times[kept])), ROUNDS))
            [[size]] = database.ask("SELECT round(pg_total_relation_size('submission') / count(*)::numeric) FROM submission")
            print(f"{size} bytes of a submission in the journal, its index among them")
        finally:
            server.end()


main()
