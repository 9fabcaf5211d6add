"""What the table of bindings/lighttpd/README.md promises for each kind of work."""

import pytest
from server import backend
from table import ROWS, promised, run


@pytest.fixture(scope="module")
def results(fpm):
    with backend() as back:
        return run(fpm, back, ["finish", "stop"])


@pytest.mark.parametrize("policy", ["finish", "stop"])
@pytest.mark.parametrize("name, silent", [(row[0], row[2]) for row in ROWS])
def test_promise(results, name, silent, policy):
    assert results[name, policy] == promised(name, silent, policy)
