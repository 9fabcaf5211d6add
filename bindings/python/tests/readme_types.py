"""The programs of README.md, RECIPES.md and docs/durable.md as type checkers see them: mypy and pyright (as basedpyright has it), strict."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
MYPY = """[mypy]
strict = true
cache_dir = {0}/cache
[mypy-django.*,asyncpg.*]
ignore_missing_imports = true
"""


def main():
    # Django and asyncpg have no types of their own: what is guessed from their code is no measure.
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        for page in (HERE.parent / "README.md", HERE.parent / "RECIPES.md", HERE.parents[2] / "docs/durable.md"):
            for at, text in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.S)):
                untyped = "\n# pyright: standard\n" if re.search(r"^(from|import) (django|asyncpg)\b", text, flags=re.M) else ""
                (directory / ("%s_%d.py" % (page.stem.lower(), at))).write_text(text + untyped)
        programs = sorted(directory.glob("*.py"))
        (directory / "mypy.ini").write_text(MYPY.format(directory))
        options = {"typeCheckingMode": "strict", "include": ["."], "useLibraryCodeForTypes": False, "reportMissingTypeStubs": False, "reportMissingModuleSource": False}
        (directory / "pyrightconfig.json").write_text(json.dumps(options))
        for command in ([BIN / "mypy", "--config-file", "mypy.ini", *programs], [BIN / "basedpyright", "--pythonpath", sys.executable, "-p", "."]):
            done = subprocess.run(list(map(str, command)), cwd=directory, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(done.stdout)
    print("%d programs, by mypy and pyright" % len(programs))


if __name__ == "__main__":
    main()
