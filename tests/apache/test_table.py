"""What the table of bindings/apache/README.md promises for each kind of work."""

import pytest
from table import ROWS, run, word


@pytest.fixture(scope="module")
def results():
    return run(ROWS, ["finish", "stop"])


@pytest.mark.parametrize("name, column, promised", [(row[0], column, promised) for row in ROWS for column, promised in zip(("finish", "stop"), row[4:])])
def test_promise(results, name, column, promised):
    assert word(results[name, column]) == word(promised)
