"""Builds the servers of examples/embed, each on another well-known HTTP library, when a test asks for them; a test that fails shows what was written."""

import functools
import os
import pathlib
import subprocess
import tempfile

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
    """The path of a server's program, by its name."""
    with tempfile.TemporaryDirectory(prefix="outlive-embed-") as place:
        @functools.cache
        def build(name):
            (compiler, suffix, language), package, libraries = SERVERS[name]
            compiler = os.environ.get("CXX" if compiler == CXX else "CC", compiler)
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], check=True, capture_output=True, text=True).stdout.split() if package else []
            defined = ["-DH2O_USE_EPOLL=1", "-DH2O_USE_LIBUV=0"] if name == "h2o" else []
            command = [compiler, language, *(["-D_GNU_SOURCE"] if suffix == "c" else []), *defined, *FLAGS, f"examples/embed/{name}.{suffix}",
                       "-o", f"{place}/{name}", *flags, *libraries, f"-L{RELEASE}", "-loutlive", "-lpthread"]
            subprocess.run(command, cwd=ROOT, check=True)
            return f"{place}/{name}"
        yield build


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    from test_embed import Story
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections += [(f"{story.name}: what was written", " ".join(story.written()) + story.said()) for story in Story.running]
