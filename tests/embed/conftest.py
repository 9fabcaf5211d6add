"""Builds the servers of examples/embed, each on another well-known HTTP library, when a test asks for them; a test that fails shows what was written."""

import functools
import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
FLAGS = ["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-Iinclude", "-Ibindings/cpp"]
C11, CXX = ("cc", "c", "-std=c11"), "c++"
SERVERS = {  # compiler, suffix, language; pkg-config's name; libraries
    "microhttpd": (C11, "libmicrohttpd", []),
    "httplib": ((CXX, "cpp", "-std=c++17"), None, ["-lcpp-httplib"]),
    "evhttp": (C11, "libevent", []),
    "libuv": (C11, "libuv", []),
    "beast": ((CXX, "cpp", "-std=c++20"), None, []),
    "h2o": (("cc", "c", "-std=gnu11"), "libh2o-evloop", ["-lssl", "-lcrypto"]),
    "libfcgi": (C11, None, ["-lfcgi"]),
    "civetweb": (C11, None, ["-lcivetweb"]),
    "nghttp2": (C11, "libnghttp2", []),
}


@pytest.fixture(scope="session")
def library():
    subprocess.run(["make", "-s", "lib"], cwd=ROOT, check=True)
    os.environ["LD_LIBRARY_PATH"] = str(RELEASE)


@pytest.fixture(scope="session")
def program(library):
    """The path of a server's program, by its name. It is kept, and made anew where a source, a header or the command is another."""
    place = RELEASE / "embed"
    place.mkdir(exist_ok=True)
    headers = [*ROOT.glob("examples/embed/*.h"), ROOT / "include/outlive.h", ROOT / "bindings/cpp/outlive.hpp"]

    @functools.cache
    def build(name):
        (compiler, suffix, language), package, libraries = SERVERS[name]
        compiler = os.environ.get("CXX" if compiler == CXX else "CC", compiler)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], check=True, capture_output=True, text=True).stdout.split() if package else []
        defined = ["-DH2O_USE_EPOLL=1", "-DH2O_USE_LIBUV=0"] if name == "h2o" else []
        source = f"examples/embed/{name}.{suffix}"
        command = [compiler, language, *(["-D_GNU_SOURCE"] if suffix == "c" else []), *defined, *FLAGS, source, *flags, *libraries, f"-L{RELEASE}",
                   "-loutlive", "-lpthread"]
        made_of = hashlib.sha256("\0".join(command).encode())
        for file in [ROOT / source, *headers]:
            made_of.update(file.read_bytes())
        program = place / made_of.hexdigest()[:16] / name
        if not program.exists():
            for old in place.glob(f"*/{name}"):
                shutil.rmtree(old.parent)
            program.parent.mkdir(exist_ok=True)
            part = program.with_suffix(".part")
            subprocess.run([*command, "-o", part], cwd=ROOT, check=True)
            part.replace(program)
        return str(program)
    return build


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    from test_embed import Story
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections += [(f"{story.name}: what was written", " ".join(story.written()) + story.said()) for story in Story.running]
