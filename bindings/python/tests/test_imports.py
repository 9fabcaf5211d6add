"""No module of the package needs one that needs it, not even for its types or inside of a function."""

import ast
import pathlib
import unittest

import outlive

PACKAGE = pathlib.Path(outlive.__file__).parent


def modules():
    """Each module's dotted name, and its file."""
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imported(name, file, known):
    """The modules of the package that it imports, wherever it says so."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                if base + "." + alias.name in known:
                    yield base + "." + alias.name
                elif base in known:
                    yield base


def circles(graph):
    """Each circle that a walk meets, as a list of names."""
    done, path, found = set(), [], []

    def walk(name):
        if name in path:
            found.append(path[path.index(name):] + [name])
            return
        if name in done:
            return
        path.append(name)
        for other in sorted(graph[name]):
            walk(other)
        path.pop()
        done.add(name)

    for name in sorted(graph):
        walk(name)
    return found


class Imports(unittest.TestCase):
    def test_there_is_no_circle(self):
        files = dict(modules())
        graph = {name: set(imported(name, file, files)) for name, file in files.items()}
        self.assertIn("outlive.errors", graph["outlive.request"])
        self.assertEqual([" -> ".join(circle) for circle in circles(graph)], [])

    def test_circles_are_found(self):
        self.assertEqual(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}), [["b", "c", "b"]])


if __name__ == "__main__":
    unittest.main()
