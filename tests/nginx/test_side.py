"""The second table of bindings/nginx/README.md, side by side with nginx's own directives, and the recipe beside it."""

import pytest
from server import marked
from side import README, RECIPE, known, table

THERE = marked(README, "side").splitlines()


@pytest.fixture(scope="module")
def seen():
    return table(known()).splitlines()


def test_rows(seen):
    assert len(seen) == len(THERE)


@pytest.mark.parametrize("row", range(len(THERE)), ids=lambda row: THERE[row].split("|")[1].strip() or "head")
def test_row(seen, row):
    assert seen[row] == THERE[row]


def test_recipe():
    assert RECIPE in README.read_text(), "README.md does not have the lines of without.conf"
