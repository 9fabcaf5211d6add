#!/usr/bin/env python3
"""Writes src/ini/late_constants.tsv: constants that FPM's pools, PHP_VALUE and .user.ini know and php.ini does not.

    late-constants.py NODE_MODULES

Asks Debian's php8.2 and seven WebAssembly builds (npm package @php-wasm/node below NODE_MODULES). Extensions that every PHP has count; what
depends on the C library is Debian's.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSIONS = "7.4 8.0 8.1 8.2 8.3 8.4 8.5".split()
SCRIPT = """<?php $all = get_defined_constants(true); $out = [];
foreach (['standard', 'date', 'pcre', 'json', 'session', 'filter', 'hash', 'random'] as $extension)
    foreach ($all[$extension] ?? [] as $name => $value) if (is_scalar($value)) $out[$name] = (string)$value;
echo json_encode($out, JSON_INVALID_UTF8_SUBSTITUTE);"""
HEAD = "# Constants that exist once start-up is over, of extensions that every PHP has: name, first and last version, text. tests/tools/late-constants.py wrote it."


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with tempfile.NamedTemporaryFile("w", suffix=".php") as file:
        file.write(SCRIPT)
        file.flush()
        ask = lambda *words: json.loads("{" + subprocess.run([*words, file.name], capture_output=True, text=True, check=True).stdout.split("{", 1)[1])
        native = ask("php8.2", "-n")
        tool = str(pathlib.Path(__file__).with_name("late-constants.mjs"))
        builds = {version: ask("node", tool, sys.argv[1], version) for version in VERSIONS}
    core = {line.split("\t")[0] for line in (ROOT / "src/ini/constants.tsv").read_text().splitlines()}
    rows = [HEAD]
    for name in sorted(set(native).union(*builds.values()) - core):
        # These are the library's that PHP was built with.
        if name.startswith(("PCRE_VERSION", "GLOB_", "PHP_")):
            continue
        cells = {version: builds[version][name] for version in VERSIONS if name in builds[version]}
        theirs = builds["8.2"].get(name)
        if name in native and theirs is None:
            cells = {**dict.fromkeys(VERSIONS, native[name]), **cells}
        elif name in native:
            cells = {version: native[name] if text == theirs else text for version, text in cells.items()}
        run = None
        for version in [*VERSIONS, None]:
            text = cells.get(version)
            if run and text != run[2]:
                rows.append("\t".join([name, *run]))
                run = None
            if text is not None:
                run = [run[0] if run else version, version, text]
    (ROOT / "src/ini/late_constants.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
