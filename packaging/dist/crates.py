"""The crates that the shipped library and command are made of, on Linux: what cargo says of them. For sbom and licences."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ("outlive", "outlive-cli")
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl")


def expression(text):
    """A licence as SPDX writes it; cargo once took MIT/Apache-2.0."""
    return " OR ".join(part.strip() for part in text.split("/"))


def shipped():
    """(packages by id, the ids that each of them uses): normal and build dependencies, as far as they can be reached from what is shipped."""
    packages, uses = {}, {}
    for target in TARGETS:
        command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
        meta = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
        all_packages = {package["id"]: package for package in meta["packages"]}
        nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
        waiting = [one for one in meta["workspace_members"] if all_packages[one]["name"] in SHIPPED]
        seen = set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            packages[one] = all_packages[one]
            wanted = {dep["pkg"] for dep in nodes[one]["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])}
            uses[one] = uses.get(one, set()) | wanted
            waiting += wanted
    return packages, uses
