"""The SBOM beside Cargo.lock and cargo tree, which says itself what the library and the command are made of: sbom.py FILE VERSION."""

import json
import pathlib
import subprocess
import sys
import tomllib

TOP = pathlib.Path(__file__).resolve().parents[2]
document = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
listed = {(one["name"], one["version"]): one for one in document["components"]}
tree = ["cargo", "tree", "--locked", "-e", "normal,build", "--prefix", "none", "--format", "{p}", "-p", "outlive", "-p", "outlive-cli"]
wanted = set()
for target in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"):
    for line in subprocess.run([*tree, "--target", target], cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        if line:
            name, version = line.split()[:2]
            wanted.add((name, version.removeprefix("v")))
assert set(listed) == wanted - {("outlive", sys.argv[2])}, set(listed) ^ wanted
locked = {(one["name"], one["version"]): one.get("checksum") for one in tomllib.loads((TOP / "Cargo.lock").read_text(encoding="utf-8"))["package"]}
for one, component in listed.items():
    assert component["licenses"][0]["expression"], one
    assert [entry["content"] for entry in component.get("hashes", [])] == ([locked[one]] if locked[one] else []), one
refs = {component["bom-ref"] for component in [*document["components"], document["metadata"]["component"]]}
assert {entry["ref"] for entry in document["dependencies"]} == refs
assert all(set(entry["dependsOn"]) <= refs for entry in document["dependencies"])
print(f"the SBOM names the {len(wanted)} crates that cargo does")
