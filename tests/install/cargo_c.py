"""What Cargo.toml tells cargo-c, beside what `make install` has put into a tree: cargo_c.py TREE.

cargo-c itself is not needed; it takes a quarter of an hour to build. What it does with this metadata was compared once with 0.10.24: header,
outlive.hpp, the archive, the library with its two links, its soname, and outlive.pc, which only says `exec_prefix` besides.
"""

import pathlib
import sys
import tomllib

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
usr = pathlib.Path(sys.argv[1]) / "usr"
cargo = tomllib.loads((TOP / "Cargo.toml").read_text(encoding="utf-8"))
capi = cargo["package"]["metadata"]["capi"]
version = cargo["workspace"]["package"]["version"]

assert cargo["features"]["capi"] == [], "cargo-c's own feature must not change the library"
assert {"cdylib", "staticlib"} <= set(cargo["lib"]["crate-type"])

# The committed header is installed, as it is, and outlive.hpp beside it; nothing is made anew or put into a directory of its own.
header = capi["header"]
assert (header["name"], header["generation"], header["subdirectory"], header["emit_version_constants"]) == ("outlive", False, False, False)
assets = capi["install"]["include"]["asset"]
assert all(asset["to"] == "" for asset in assets)
by_cargo_c = {pathlib.Path(asset["from"]).name: (TOP / asset["from"]).read_bytes() for asset in assets}
by_make = {path.name: path.read_bytes() for path in (usr / "include").iterdir()}
assert by_cargo_c == by_make, (sorted(by_cargo_c), sorted(by_make))

# The description for pkg-config.
pc = (usr / "lib/pkgconfig" / f"{capi['pkg_config']['filename']}.pc").read_text(encoding="utf-8")
lines = dict(line.split(": ", 1) for line in pc.splitlines() if ": " in line)
assert lines["Name"] == capi["pkg_config"]["name"]
assert lines["Description"] == capi["pkg_config"]["description"]
assert lines["Version"] == version
assert lines["Libs"] == "-L${libdir} -loutlive" and lines["Cflags"] == "-I${includedir}", lines

# cargo-c names the soname after the major version, or after 0.MINOR before 1.0, unless it is told otherwise.
library = capi["library"]
assert set(library) == {"name"} and library["name"] == "outlive", library
major, minor, _ = version.split(".")
soname = f"lib{library['name']}.so.{'0.' + minor if major == '0' else major}"
links = {path.name: path.resolve().name for path in (usr / "lib").iterdir() if path.is_symlink()}
assert links == dict.fromkeys((soname, "liboutlive.so"), f"liboutlive.so.{version}"), links
print("cargo-c would install the same")
