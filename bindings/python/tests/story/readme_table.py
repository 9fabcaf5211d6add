"""A table of README.md that a test makes."""

import os
import pathlib

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def hold(made, maker, end):
    """The table between the comments of `maker` and `end` in README.md is `made`; BLESS=1 writes it there."""
    text = README.read_text()
    before, rest = text.split(f"<!-- made by tests/story/{maker} -->\n")
    table, after = rest.split(f"<!-- {end} -->", 1)
    if os.environ.get("BLESS"):
        README.write_text(text.replace(table, made, 1))
    else:
        assert table == made, f"the table of {maker} in README.md is another one (BLESS=1 writes it)"
