-- The journal of examples/durable: what was submitted, whose it is, what became of it; and the four tables of the form.
CREATE SEQUENCE process;
CREATE TABLE submission (
    key text PRIMARY KEY,
    note text NOT NULL,
    owner integer NOT NULL,                   -- the process that works on it: it holds the advisory lock of this number as long as it lives
    state text NOT NULL DEFAULT 'accepted',   -- accepted | done | failed
    attempts integer NOT NULL DEFAULT 1
);
CREATE TABLE a (key text NOT NULL, note text NOT NULL);
CREATE TABLE b (key text NOT NULL, note text NOT NULL);
CREATE TABLE c (key text NOT NULL, note text NOT NULL);
CREATE TABLE d (key text NOT NULL, note text NOT NULL);
