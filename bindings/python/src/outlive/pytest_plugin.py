"""pytest's fixtures: `outlive_client`, `outlive_request`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Type

import pytest

if TYPE_CHECKING:
    from .request import Request
    from .testing import Client


@pytest.fixture
def outlive_client() -> Type[Client]:
    """`outlive_client(app).post("/save")`: a client that can leave."""
    from .testing import Client

    return Client


@pytest.fixture
def outlive_request() -> Iterator[Request]:
    """A current request that stops when `outlive_request.client_gone()` says so: for functions that use outlive."""
    from .testing import request

    with request() as begun:
        yield begun
