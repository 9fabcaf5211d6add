"""The journal's statements, for all of the applications here, and the one that finds what the dead have left."""

import os

from outlive.journal import SQL

URL = os.environ.get("DURABLE_URL", "")
KEYED = os.environ.get("DURABLE_MANNER", "keyed") == "keyed"
ACCEPT = (
    "INSERT INTO submission (key, note, fingerprint, process) VALUES (:key, :body, :fingerprint, :process) ON CONFLICT (key) DO NOTHING"
)
FIND = "SELECT state = 'done' AS is_done, fingerprint FROM submission WHERE key = :key"
RENEW = (
    "INSERT INTO lease VALUES (:process, now() + interval '2 s') ON CONFLICT (process) DO UPDATE SET until = excluded.until"
)
DONE = "UPDATE submission SET state = 'done' WHERE key = :key"
# What always fails must not run for ever.
FAILED = (
    "UPDATE submission SET process = NULL, state = CASE WHEN attempts >= 50 THEN 'failed' ELSE state END "
    "WHERE key = :key AND process = :process AND state = 'accepted'"
)
AGAIN = "UPDATE submission SET process = NULL WHERE key = :key AND process = :process AND state = 'accepted'"
LEFT = (
    "UPDATE submission SET process = {0}, attempts = attempts + 1 WHERE key = (SELECT key FROM submission s WHERE state = 'accepted' "
    "AND NOT EXISTS (SELECT 1 FROM lease WHERE process = s.process AND until > now()) ORDER BY attempts LIMIT 1 FOR UPDATE SKIP LOCKED) "
    "RETURNING key, note"
)


def journal(connect):
    return SQL(connect, accept=ACCEPT, find=FIND, renew=RENEW, done=DONE, failed=FAILED, again=AGAIN, renew_every=0.5)
