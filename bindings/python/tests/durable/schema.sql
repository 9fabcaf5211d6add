-- The journal of the Python tests: what was submitted, whose it is, what became of it; who lives; and the four tables of the form.
CREATE TABLE lease (process text PRIMARY KEY, until timestamptz NOT NULL);
CREATE TABLE submission (
    key text PRIMARY KEY,
    note bytea NOT NULL,
    fingerprint text NOT NULL,
    process text,                             -- who works on it; whose lease has run out has died
    state text NOT NULL DEFAULT 'accepted',   -- accepted | done | failed
    attempts integer NOT NULL DEFAULT 1
);
CREATE TABLE a (key text NOT NULL, note text NOT NULL);
CREATE TABLE b (key text NOT NULL, note text NOT NULL);
CREATE TABLE c (key text NOT NULL, note text NOT NULL);
CREATE TABLE d (key text NOT NULL, note text NOT NULL);
