"""The table of docs/servers.md about tabs that are closed: each row is as it was seen."""

import pytest
from story import PAGE, table

THERE = PAGE.read_text().split("<!-- story -->\n")[1].split("<!-- /story -->\n")[0].splitlines()


@pytest.fixture(scope="module")
def seen():
    return table().splitlines()


def test_rows(seen):
    assert len(seen) == len(THERE)


@pytest.mark.parametrize("row", range(2, len(THERE)), ids=lambda row: THERE[row].split("|")[1].strip())
def test_row(seen, row):
    assert seen[row] == THERE[row]
