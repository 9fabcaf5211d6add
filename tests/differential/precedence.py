#!/usr/bin/env python3
"""Holds `outlive dump` against php-cli, php-cgi and php-fpm 8.2 on random combinations of everything that sets a directive.

    precedence.py --count N [--seed N] [--outlive PROGRAM]

Each combination is a scratch tree: php.ini and php-SAPI.ini in places that PHPRC or -c name or not, scan directories in
PHP_INI_SCAN_DIR with empty and missing elements, [PATH=] and [HOST=] sections, .user.ini files, -d, FPM pools with an
include, PHP_VALUE and PHP_ADMIN_VALUE. PHP is asked for value, global value and access of each directive; a combination
that differs is shown with its files. Wants php8.2-cli, php8.2-cgi, php8.2-fpm.

Facts: I-110, I-111, I-112, I-114, I-115, I-117, I-118, I-130, I-132, I-133, I-142, I-150, I-151, I-153, I-157, I-160.

The compiled-in directories are Debian's as its packages leave them, in a place of this test's own: the programs are copies in which
/etc/php/8.2 is another name of the same length, so nothing of /etc is read.
"""
import argparse
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

# PERDIR and USER, SYSTEM alone, PERDIR alone: every access level is there.
NAMES = ["precision", "user_agent", "memory_limit", "default_charset", "sys_temp_dir", "upload_max_filesize", "arg_separator.output",
         "max_input_time", "html_errors", "ignore_user_abort", "variables_order", "open_basedir"]
VALUES = {
    "precision": ["5", "6", "7", "8", "9", '"10"', "1|2"], "user_agent": ["ua1", "ua2", "'ua 3'", '"ua;4"', "${FOO}", "${precision}x", '"${USER} ${HOME}"'],
    "memory_limit": ["64M", "65M", "96M", "0x6000000"], "default_charset": ["c1", "c2", "c3", ""],
    "sys_temp_dir": ["/tmp/s1", "/tmp/s2", "/tmp/s3"], "upload_max_filesize": ["1M", "2M", "3M"],
    "arg_separator.output": ['";"', '"&amp;"', "x"], "max_input_time": ["41", "42", "43"], "html_errors": ["On", "Off", "yes"],
    "ignore_user_abort": ["On", "Off", "1"], "variables_order": ["EGPCS", "GPCS", "GP"], "open_basedir": ["/"],
}
SCRIPT = """<?php
$all = ini_get_all(null, true);
$out = [];
foreach (%s as $name) $out[$name] = [(string)$all[$name]['local_value'], (string)$all[$name]['global_value'], $all[$name]['access']];
echo "\\n@@", json_encode($out), "@@";
""" % json.dumps(NAMES)


class Debian:
    """Debian's configuration of PHP, and PHPs that look for it there."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="outlive-precedence-stock-")
        stock = os.path.join(os.path.dirname(__file__), "../stock/debian")
        subprocess.run([stock, self.root], check=True)
        while True:
            self.compiled_in = "/tmp/" + "".join(random.SystemRandom().choices("abcdefghijklmnopqrstuvwxyz", k=7))
            try:
                os.symlink(os.path.join(self.root, "etc/php/8.2"), self.compiled_in)
                break
            except FileExistsError:
                pass
        self.programs = {name: self.copy(name) for name in ("php8.2", "php-cgi8.2", "php-fpm8.2")}

    def copy(self, name):
        with open(shutil.which(name), "rb") as file:
            program = file.read()
        assert b"/etc/php/8.2/" in program, f"{name} is not Debian's"
        path = os.path.join(self.root, name)
        with open(path, "wb") as file:
            file.write(program.replace(b"/etc/php/8.2", self.compiled_in.encode()))
        os.chmod(path, 0o755)
        return path

    def close(self):
        os.unlink(self.compiled_in)
        shutil.rmtree(self.root)


class Tree:
    """The files of a combination."""

    def __init__(self, root):
        self.root = root
        self.texts = {}

    def path(self, name):
        return os.path.join(self.root, name)

    def put(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        self.texts[name] = text
        return path


def lines(rng, most=4, names=NAMES):
    return "".join(f"{name} = {rng.choice(VALUES[name])}\n" for name in rng.sample(names, rng.randint(0, min(most, len(names)))))


def ini_text(rng, tree, special=True):
    text = lines(rng)
    if special and rng.random() < 0.4:
        for _ in range(rng.randint(1, 2)):
            where = rng.choice([f"PATH={tree.path('www')}", f"PATH={tree.path('www/a')}/", f"PATH {tree.path('www/a/b')}", "PATH=/nowhere",
                                "HOST=shop.example", "HOST=Shop.Example", "HOST=other", "PHP"])
            text += f"[{where}]\n" + lines(rng, 2, [name for name in NAMES if name != "open_basedir"])
    if rng.random() < 0.05:
        text += "a = b = c\nprecision = 1\n"
    return text


def make(rng, tree, sapi, debian):
    """A combination: the environment, PHP's options, ours, and what FPM is given."""
    env, php, ours = {"FOO": "foo", "USER": "boss", "HOME": "/h"}, [], ["--env", "FOO=foo", "--env", "USER=boss", "--env", "HOME=/h"]
    for name in ("one", "two"):
        for file in ("php.ini", f"php-{sapi}.ini", "php-other.ini"):
            if rng.random() < 0.4:
                tree.put(f"{name}/{file}", ini_text(rng, tree))
    for directory in ("s1", "s2"):
        for file in ("10.ini", "9.ini", ".hid.ini", "x.INI", "y.ini.bak"):
            if rng.random() < 0.4:
                tree.put(f"{directory}/{file}", ini_text(rng, tree))
        if rng.random() < 0.2:
            os.makedirs(tree.path(f"{directory}/dir.ini"), exist_ok=True)
        if rng.random() < 0.2 and not os.path.lexists(tree.path(f"{directory}/dangling.ini")):
            os.makedirs(tree.path(directory), exist_ok=True)
            os.symlink(rng.choice(["nowhere", "dangling.ini", "../one/php.ini"]), tree.path(f"{directory}/dangling.ini"))
    own = {"cgi-fcgi": "cgi", "cli": "cli", "fpm-fcgi": "fpm"}[sapi]
    compiled_in = f"{debian.compiled_in}/{own}"
    scan = None
    if rng.random() < 0.7:
        scan = ":".join(rng.choice(["", tree.path("s1"), tree.path("s2"), tree.path("missing")]) for _ in range(rng.randint(1, 3)))
    how = rng.choice(["search", "search", "phprc", "phprc", "file", "dir", "none"])
    if how in ("search", "phprc"):
        if how == "phprc":
            env["PHPRC"] = rng.choice([tree.path("one"), tree.path("two"), f"{tree.path('two')}:{tree.path('one')}", tree.path("one/php.ini"),
                                       tree.path("missing"), f"{tree.path('missing')}:{tree.path('one')}", ""])
        ours += ["--php-ini-search", "--php-ini-path", compiled_in]
    else:
        # These name no compiled-in directory, so an empty element would be another thing for us.
        scan = scan and ":".join(part for part in scan.split(":") if part)
        scan = scan or ""
        if how == "file":
            tree.put("given.ini", ini_text(rng, tree))
            php += ["-c", tree.path("given.ini")]
            ours += ["--php-ini", tree.path("given.ini")]
        elif how == "dir":
            os.makedirs(tree.path("one"), exist_ok=True)
            php += ["-c", tree.path("one")]
            ours += ["--php-ini-search", "--php-ini-path", tree.path("one")]
        else:
            php += ["-n"]
    if scan is not None:
        env["PHP_INI_SCAN_DIR"] = scan
        if how != "none":
            ours += ["--scan-dir", scan]
    for name, value in env.items():
        if name not in ("FOO", "USER", "HOME", "PHP_INI_SCAN_DIR"):
            ours += ["--env", f"{name}={value}"]
    for _ in range(rng.choice([0, 0, 1, 2])):
        name = rng.choice(NAMES[:8])
        value = rng.choice(["3", "64M", "x", "On", "/x", "5|2", '"q"', "a b"])
        if name in ("memory_limit", "upload_max_filesize"):
            value = "77M"
        php += ["-d", f"{name}={value}"]
        ours += ["-d", f"{name}={value}"]
    tree.put("www/a/b/p.php", SCRIPT)
    for directory in ("www", "www/a", "www/a/b"):
        if rng.random() < 0.4:
            tree.put(f"{directory}/.user.ini", lines(rng) + ("b = c = d\nprecision = 2\n" if rng.random() < 0.1 else ""))
    target = {"host": rng.choice(["shop.example", "SHOP.example", "none"]), "root": rng.choice(["www", "www/a", "www/a/b", "elsewhere"])}
    return env, php, ours, target


def pool_text(rng):
    text = ""
    for kind in ("php_value", "php_flag", "php_admin_value", "php_admin_flag"):
        for _ in range(rng.choice([0, 1, 2])):
            name = rng.choice(["html_errors", "ignore_user_abort"] if "flag" in kind else NAMES[:8])
            value = rng.choice(["on", "off", "1", "No"]) if "flag" in kind else rng.choice(VALUES[name][:3])
            if "$" not in value:
                text += f"{kind}[{name}] = {value}\n"
    return text


def fastcgi(path, params):
    """One request; the answer's output."""
    def record(kind, content):
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    def pair(name, value):
        name, value = name.encode(), value.encode()
        sizes = b"".join(bytes([n]) if n < 128 else struct.pack(">I", n | 1 << 31) for n in (len(name), len(value)))
        return sizes + name + value
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        body = b"".join(pair(name, value) for name, value in params.items())
        connection.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, body) + record(4, b"") + record(5, b""))
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    out, at = b"", 0
    while at + 8 <= len(data):
        _, kind, _, size, padding, _ = struct.unpack(">BBHHBB", data[at:at + 8])
        out += data[at + 8:at + 8 + size] if kind == 6 else b""
        at += 8 + size + padding
    return out.decode("latin-1")


def ask_fpm(tree, env, program, php, params, pool):
    """Starts FPM for one request."""
    include = tree.put("pool.d/extra.inc", pool["include"])
    conf = tree.put("fpm.conf", f"[global]\nerror_log = {tree.path('fpm.log')}\ndaemonize = no\n[www]\nlisten = {tree.path('sock')}\n"
                    f"pm = static\npm.max_children = 1\nuser = root\ngroup = root\n{pool['env']}{pool['text']}include = {include}\n")
    command = [program, "-R", "-F", "-y", conf, *php]
    process = subprocess.Popen(command, env=env, cwd=tree.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return fastcgi(tree.path("sock"), params)
            except OSError:
                time.sleep(0.01)
        return "FPM does not start"
    finally:
        process.terminate()
        process.wait()


def same(mine, theirs):
    """Whether value, global value and access are those that PHP says."""
    value, standing, access = theirs
    # A directive without a default whose start-up value is none: ini_get_all shows the later value in both places.
    return mine == theirs or mine == [value, "", access] and standing == value


def compare(rng, root, program, debian):
    """None: equal, or PHP itself did not answer; else what differs."""
    tree = Tree(root)
    sapi = rng.choice(["cgi-fcgi", "cgi-fcgi", "cli", "fpm-fcgi"])
    env, php, ours, target = make(rng, tree, sapi, debian)
    path = os.environ.get("PATH", "/usr/bin:/bin")
    script, docroot = tree.path("www/a/b/p.php"), tree.path(target["root"])
    params = {"SCRIPT_FILENAME": script, "DOCUMENT_ROOT": docroot, "SERVER_NAME": target["host"], "REQUEST_METHOD": "GET", "REDIRECT_STATUS": "200",
              "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SCRIPT_NAME": "/p.php", "REQUEST_URI": "/p.php", "QUERY_STRING": ""}
    extra = {"PATH": path, **env}
    if sapi == "cli":
        done = subprocess.run([debian.programs["php8.2"], *php, script], env=extra, cwd=root, capture_output=True, timeout=120)
        answer = done.stdout.decode("latin-1")
    elif sapi == "cgi-fcgi":
        done = subprocess.run([debian.programs["php-cgi8.2"], *php], env={**extra, **params}, cwd=root, capture_output=True, timeout=120)
        answer = done.stdout.decode("latin-1")
    else:
        env_lines = rng.choice(["clear_env = no\n", "clear_env = no\n", "", "clear_env = yes\n"]) + rng.choice(
            ["", "", "env[FOO] = pool\n", "env[FOO] = $FOO\nenv[FOO] = second\n", "env[FOO] = $NO_SUCH\n", "env[FOO] = x$FOO\n", "env[FOO] = ${FOO}y\n"])
        pool = {"text": pool_text(rng), "include": pool_text(rng), "env": env_lines}
        for name in ("PHP_VALUE", "PHP_ADMIN_VALUE"):
            if rng.random() < 0.4:
                params[name] = lines(rng, 2, [name for name in NAMES if name != "open_basedir"])
                ours += ["--fastcgi-param", f"{name}={params[name]}"]
        for name in ("FOO", "USER", "HOME"):
            if rng.random() < 0.25:
                params[name] = rng.choice(["param", "param", ""])
                ours += ["--cgi-variable", f"{name}={params[name]}"]
        answer = ask_fpm(tree, extra, debian.programs["php-fpm8.2"], php, params, pool)
        ours += ["--fpm-pool", tree.path("fpm.conf"), "--pool", "www"]
    if answer.count("@@") != 2:
        return "unanswered"
    theirs = json.loads(answer.split("@@")[1])
    # Where nothing is named PHP finds nothing here either; the command would look at this machine.
    if not any(word.startswith(("--php-ini", "--scan-dir", "--fpm-pool")) for word in ours):
        ours += ["--built-in"]
    command = [program, "dump", "--json", "--sapi", sapi, "--file", script, "--document-root", docroot, "--host", target["host"], *ours]
    done = subprocess.run(command, env={"PATH": path}, cwd=root, capture_output=True, timeout=120)
    rows = json.loads(done.stdout) if done.returncode == 0 else {}
    differ = []
    for name in NAMES:
        row = rows.get(name)
        mine = row and [row["value"], row["global"], row["access"]]
        if not same(mine, theirs[name]):
            differ.append(f"{name}: PHP {theirs[name]}, ours {mine}")
    if not differ:
        return None
    text = "\n".join(differ) + f"\n{done.stderr.decode()}php: {php} {env} {target}\nparams: {params}\nours: {' '.join(command)}\n"
    return text + "".join(f"--- {name}\n{text}" for name, text in sorted(tree.texts.items()) if not name.endswith(".php"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outlive", default="target/debug/outlive")
    arguments = parser.parse_args()
    debian = Debian()
    try:
        return run(arguments, debian)
    finally:
        debian.close()


def run(arguments, debian):
    program = os.path.abspath(arguments.outlive)
    compared = unanswered = 0
    for at in range(arguments.count):
        root = tempfile.mkdtemp(prefix="outlive-precedence-")
        try:
            difference = compare(random.Random(f"{arguments.seed}/{at}"), root, program, debian)
        finally:
            shutil.rmtree(root)
        if difference == "unanswered":
            unanswered += 1
        elif difference:
            print(f"combination {arguments.seed}/{at} differs\n{difference}")
            return 1
        else:
            compared += 1
    print(f"{compared} combinations compared, {unanswered} that PHP did not answer, none differ")
    # PHP breaks down on some; were it on many, little would have been compared.
    return 0 if compared > arguments.count * 3 // 4 else 1


if __name__ == "__main__":
    sys.exit(main())
