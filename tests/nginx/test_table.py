"""The table of bindings/nginx/README.md: each row is as it was seen; the columns of Apache are that page's affair."""

import pytest
from server import marked
from table import README, rows, run, table


@pytest.fixture(scope="module")
def seen():
    return ["|".join(line.split("|")[:5]) for line in table(run()).splitlines()]


THERE = ["|".join(line.split("|")[:5]) for line in marked(README, "table").splitlines()]


def test_rows(seen):
    assert len(seen) == len(THERE) == len(list(rows())) + 2


@pytest.mark.parametrize("row", range(2, len(THERE)), ids=lambda row: THERE[row].split("|")[1].strip())
def test_row(seen, row):
    assert seen[row] == THERE[row]
