#!/usr/bin/env python3
"""The first pages of the book, as a reader would follow them: each in an empty directory, its files written and its commands run in
their order, and what they print compared. A line of … stands for any lines, … within a line for anything.

    pages.py [--bless] PAGE ...     --bless puts what the command prints in the place of …
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
START = ROOT / "docs/start"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "\x01"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def commands(block):
    """Pairs of a command and the lines that it is to print."""
    for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = piece.rstrip("\n").split("\n")
        yield command, printed


def matches(printed, wanted):
    pattern = "\n".join(wanted) + "\n" if wanted else ""
    pattern = re.escape(pattern).replace(re.escape("…") + "\n", "…\n")
    pattern = re.sub(r"^…\\?\n", "(?:.*\\\\n)*", pattern, flags=re.MULTILINE).replace("…", ".*")
    return re.fullmatch(pattern, printed) is not None


class Page:
    """A page, and pairs of what it says and what stands for that here."""

    def __init__(self, path, stands_for=()):
        self.path, self.text = path, path.read_text()
        for said, here in stands_for:
            self.text = self.text.replace(said, here)
        # Servers on this machine may have the ports of the book.
        self.ports = {number: str(free_port()) for number in ("8080", "8000", "9000")}

    def here(self, text):
        for number, free in self.ports.items():
            text = re.sub(rf"(127\.0\.0\.1:|127\.0\.0\.1\", |--port ){number}\b", rf"\g<1>{free}", text)
        return text.replace("$OUTLIVE/target", str(TARGET)).replace("${OUTLIVE}/target", str(TARGET))

    def run(self, directory, environment, enter=("bash", "-c")):
        """What is wrong, in words. `enter` runs a script, in the directory `work` of this one or where it likes."""
        steps, script = [], ["exec 2>&1", "export PWD"]
        for kind, title, content in BLOCK.findall(self.text):
            if title:
                script.append(f"mkdir -p {os.path.dirname(title) or '.'}; cat > {title} <<'END OF {title}'\n{self.here(content)}END OF {title}")
            elif kind == "console":
                for command, wanted in commands(content):
                    script += [f"printf '{MARK}'", self.here(command), "status=$?; [ $status = 0 ] || echo \"(exit status $status)\""]
                    steps.append((command, wanted))
        answer = directory / "answer"
        with answer.open("w") as out:
            shell = subprocess.Popen([*enter, "\n".join(script)], cwd=directory / "work", env=environment, stdout=out, stdin=subprocess.DEVNULL,
                                     start_new_session=True)
            try:
                shell.wait(300)
            except subprocess.TimeoutExpired:
                print("after 300 s it stood here:", answer.read_text(errors="replace").replace(MARK, "$ …\n"), sep="\n", flush=True)
            finally:
                stop(shell, environment["OUTLIVE_PAGE"])
        return self.compare(steps, answer.read_text(errors="replace").split(MARK)[1:], directory / "work")

    def compare(self, steps, answers, work):
        self.answers = [(command, wanted, self.there(printed, work)) for (command, wanted), printed in zip(steps, answers)]
        for command, wanted, printed in self.answers:
            if not matches(printed, wanted):
                yield f"$ {command}\n{printed}-- where the page has:\n" + "\n".join(wanted)
        if len(answers) < len(steps):
            yield f"it ended before: $ {steps[len(answers)][0]}"

    def there(self, printed, work):
        """As a reader sees it, who tries the page in /tmp/book."""
        for number, free in self.ports.items():
            printed = printed.replace(free, number)
        return printed.replace(str(work), "/tmp/book")

    def bless(self):
        for command, wanted, printed in self.answers:
            if command.startswith("outlive ") and wanted == ["…"]:
                self.text = self.text.replace(f"$ {command}\n…\n", f"$ {command}\n{printed}", 1)
        self.path.write_text(self.text)


def stop(shell, page):
    """Ends the shell, and every server that the page has left, daemons too: they have its name in their environment."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [process for process in pathlib.Path("/proc").iterdir() if process.name.isdigit() and is_of(process, page)]
        for process in left:
            try:
                os.kill(int(process.name), number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + 10
        while time.monotonic() < until and any(is_of(process, page) for process in left):
            shell.poll()
            time.sleep(0.05)


def is_of(process, page):
    try:
        return f"OUTLIVE_PAGE={page}\0".encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def installed(home):
    """The environment that docs/start/install.md leaves, with home for $HOME."""
    kept = {"CARGO_HOME": os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup"))}
    environment = {**os.environ, **kept, "HOME": str(home)}
    block, = (content for kind, _, content in BLOCK.findall((START / "install.md").read_text()) if kind == "console")
    lines = [command for command, _ in commands(block)]
    # What the README's reader would see of cargo's progress is of no interest here.
    script = "\n".join(["set -e", lines[0] + " > /dev/null", *lines[1:], "env -0 > \"$HOME/environment\""])
    subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, check=True)
    pairs = (home / "environment").read_text().rstrip("\0").split("\0")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name not in ("PWD", "OLDPWD", "SHLVL")}


def main():
    arguments = sys.argv[1:]
    bless = "--bless" in arguments
    names = [name for name in arguments if not name.startswith("--")] or sorted(path.stem for path in START.glob("*.md") if path.stem != "install")
    home, failed = pathlib.Path(tempfile.mkdtemp(prefix="outlive-book-")), []
    # A server that drops root's rights has to reach its directory.
    home.chmod(0o755)
    try:
        environment = installed(home)
        def follow(name):
            page, directory = Page(START / f"{name}.md"), home / name
            (directory / "work").mkdir(parents=True)
            (directory / "work").chmod(0o777)
            wrong = list(page.run(directory, {**environment, "OUTLIVE_PAGE": str(directory)}))
            if bless:
                page.bless()
            return name, wrong

        # They wait for most of their time.
        with concurrent.futures.ThreadPoolExecutor(3) as readers:
            for name, wrong in readers.map(follow, names):
                print(f"{name}: {'not ' if wrong else ''}as it stands there", *wrong, sep="\n", flush=True)
                if wrong:
                    failed.append(name)
    finally:
        shutil.rmtree(home)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
