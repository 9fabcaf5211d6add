"""The table of docs/servers.md about tabs that are closed: each row is as it was seen."""

import pytest
from server import marked
from story import PAGE, table

THERE = marked(PAGE, "story").splitlines()


@pytest.fixture(scope="module")
def seen():
    return table().splitlines()


def test_rows(seen):
    assert len(seen) == len(THERE)


@pytest.mark.parametrize("row", range(2, len(THERE)), ids=lambda row: THERE[row].split("|")[1].strip())
def test_row(seen, row):
    assert seen[row] == THERE[row]
