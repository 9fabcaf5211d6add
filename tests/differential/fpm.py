#!/usr/bin/env python3
"""Holds what the resolver refuses in FPM's configuration against `php-fpm8.2 -t`.

    fpm.py [--all | --random N] [--seed N] [--outlive PROGRAM]

Without a choice a sample of both. --all: every directive of php-fpm.conf, and names that are none, with every argument of a list, in its
own section and in the wrong one. --random: whole configurations of several lines, with pools that are opened twice, includes, brackets,
and limits that contradict each other. What php-fpm refuses, `outlive get` has to refuse, and the other way round.

The outcome of accounts and directories depends on the machine and not on the text; the arguments leave those out that php-fpm refuses
for their sake alone: `outlive check` tells of them. Wants php8.2-fpm.

Facts: I-154, I-155, I-156.
"""
import argparse
import concurrent.futures
import os
import random
import subprocess
import sys
import tempfile

GLOBAL = """emergency_restart_threshold emergency_restart_interval process_control_timeout process.max process.priority daemonize
rlimit_files rlimit_core pid log_level log_limit log_buffering syslog.facility syslog.ident systemd_interval events.mechanism""".split()
POOL = """prefix user group listen listen.backlog listen.acl_users listen.acl_groups listen.owner listen.group listen.mode
listen.allowed_clients listen.setfib process.priority process.dumpable pm pm.max_children pm.start_servers pm.min_spare_servers
pm.max_spare_servers pm.max_spawn_rate pm.process_idle_timeout pm.max_requests pm.status_path pm.status_listen ping.path ping.response
access.log access.format access.suppress_path slowlog request_slowlog_timeout request_slowlog_trace_depth request_terminate_timeout
request_terminate_timeout_track_finished rlimit_files rlimit_core chroot chdir catch_workers_output decorate_workers_output clear_env
security.limit_extensions apparmor_hat env php_value error_log nonsense""".split()
ARRAYS = ["env", "php_value", "php_admin_value", "php_flag", "php_admin_flag", "access.suppress_path", "listen", "nonsense", "ENV"]
VALUES = ["", "5", "-1", "0", "1", "64", "512", "511", "abc", "5s", "5m", "2h", "1d", "5x", "s", "10 m", "5M", "1.5", "99999999999",
          "4294967296", "yes", "On", "off", "no", "none", "null", "true", '"true"', "'none'", "'null'", "unlimited", "Unlimited", "static",
          "Dynamic", "ondemand", "debug", "WARNING", "notice", "warn", "alert", "error", "daemon", "local3", "LOCAL7", "kern", "epoll",
          "Poll", "select", "kqueue", "x/y", "$pool", "0660", "0999", "abc def", "+5", "20", "-20", "-19", "19", "21", "1024", "131072",
          "http://x", "/a b", "/ping", "/", "/a%20b", "a:b", "127.0.0.1:9000", "[::1]:9001", "*:9000", "70000", "0x10", "'5'", '"on"',
          "E_ALL", "5|2", "root", ".php .phar", "FALSE", "/x?y", "%R %t", "any", "127.0.0.1,::1", "x;y", "yes no", "5 5", "${NO_SUCH}",
          '"open', "it's", "a=b", "!", "- 5", "--5", "(5)", "5)", "&"]
# Their outcome is the machine's: accounts, directories and files.
ACCOUNTS = {"user", "group", "listen.owner", "listen.group"}
HERE = {"access.log", "chroot", "chdir", "prefix"}
FINE = {"": "", "root": "root", "5": "5", "0": "0", "1": "1", "none": "none"}
WHOLE = {"listen": "@ROOT@/s.sock", "pm": "static", "pm.max_children": "2", "user": "root"}


def text(pairs):
    return "".join(f"{name} = {value}\n" for name, value in pairs)


def every():
    """Each directive with each argument."""
    head = "[global]\nerror_log = @ROOT@/log\n"
    for name in [*GLOBAL, "listen", "nonsense"]:
        for value in VALUES:
            yield f"{head}{name} = {value}\n[www]\n{text(WHOLE.items())}"
    for name in POOL:
        values = FINE if name in ACCOUNTS else ["", "none"] if name in HERE else VALUES
        for value in values:
            yield head + "[www]\n" + text({name: value, **{key: own for key, own in WHOLE.items() if key != name}}.items())
    for name in ARRAYS:
        for key in ("memory_limit", "nonsense", "", "'a'", "a b"):
            for value in VALUES:
                yield head + "[www]\n" + text(WHOLE.items()) + f"{name}[{key}] = {value}\n"


def one_of(rng):
    """A configuration of several lines, of which most are right."""
    lines = ["[global]", "error_log = @ROOT@/log"]
    for _ in range(rng.choice([0, 0, 1, 2])):
        lines.append(f"{rng.choice(GLOBAL)} = {rng.choice(VALUES)}" if rng.random() < .3 else rng.choice(
            ["daemonize = no", "log_level = notice", "process.max = 5", "Daemonize = no", "include = inc/none.conf", "include = @ROOT@/none/*.conf"]))
    names = rng.choice([["www"], ["www"], ["www", "shop"], ["www", "shop", "www"], ["www", "WWW"], ["a b"]])
    for number, name in enumerate(names):
        lines.append(f"[{name}]" if rng.random() < .97 else f" [{name}]")
        if name.lower() in [one.lower() for one in names[:number]]:
            lines.append(rng.choice(["chdir = /", "php_value[precision] = 5", "listen = @ROOT@/other.sock"]))
            continue
        pool = {**WHOLE, "listen": rng.choice([f"@ROOT@/{number}.sock", f"912{number}", "s.sock", "@ROOT@/$pool.sock"])}
        if rng.random() < .6:
            pool["pm"] = rng.choice(["dynamic", "ondemand", "static"])
            for key in ("min_spare_servers", "max_spare_servers", "start_servers", "max_children", "max_spawn_rate"):
                if rng.random() < .9 or key.endswith("spare_servers"):
                    pool[f"pm.{key}"] = str(rng.choice([1, 1, 2, 2, 3, 4] + ([0, -1] if rng.random() < .1 else [])))
            pool["pm.max_children"] = str(rng.choice([1, 3, 5, 5, 5]))
        for key in ("request_slowlog_timeout", "request_terminate_timeout", "request_slowlog_trace_depth"):
            if rng.random() < .2:
                pool[key] = rng.choice(["0", "5", "5s", "1m", "-1", "10"])
        if rng.random() < .4:
            pool["slowlog"] = "@ROOT@/slow"
        lines += [f"{key if rng.random() < .95 else key.upper()} = {value}" for key, value in rng.sample(sorted(pool.items()), len(pool))]
        more = ["php_value[precision] = 5", "env[A] = $HOME", "pm.status_path = /status", "ping.path = /ping", "catch_workers_output = yes",
                "; a comment", "# a comment", "nothing", "php_flag[html_errors] = maybe", "pm.status_listen = 9125", "rlimit_files = 1024",
                "include = @ROOT@/inc/*.conf", "include = inc/[a-b].conf", "\tping.response = pong", "access.suppress_path[] = /x",
                "security.limit_extensions =", 'env[B] = "a', "php_admin_value[memory_limit] = 1G ; big", "", "ping.response ="]
        lines += rng.sample(more, rng.choice([0, 1, 1, 2]))
    return rng.choice(["\n", "\n", "\n", "\r\n"]).join(lines) + rng.choice(["\n", ""])


class Both:
    """php-fpm and the command, asked about texts in a scratch directory."""

    def __init__(self, root, program):
        self.root, self.program = root, program
        os.makedirs(f"{root}/inc")
        for name, more in (("a", "php_value[precision] = 7\n"), ("b", "chdir = /\n"), ("c", "")):
            with open(f"{root}/inc/{name}.conf", "w") as file:
                file.write(more)

    def ask(self, job):
        number, conf = job
        path = f"{self.root}/{number}.conf"
        with open(path, "w", newline="") as file:
            file.write(conf.replace("@ROOT@", self.root))
        run = lambda words: subprocess.run(words, capture_output=True, timeout=120, stdin=subprocess.DEVNULL, cwd=self.root,
                                           env={"PATH": os.environ["PATH"]}, errors="replace", text=True)
        theirs = run(["php-fpm8.2", "-n", "-t", "-R", "-p", self.root, "-y", path])
        mine = run([self.program, "get", "memory_limit", "--fpm-conf", path, "--fpm-prefix", self.root])
        os.unlink(path)
        if mine.returncode not in (0, 2):
            return conf, "the command broke down", mine.stderr
        if (theirs.returncode == 0) == (mine.returncode == 0):
            return theirs.returncode == 0
        return conf, theirs.stdout + theirs.stderr, mine.stdout + mine.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outlive", default="target/debug/outlive")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    texts = list(every()) if arguments.all else []
    count = arguments.random
    if not texts and not count:
        texts, count = rng.sample(list(every()), 80), 80
    texts += [one_of(rng) for _ in range(count)]
    differ = taken = 0
    with tempfile.TemporaryDirectory(prefix="outlive-fpm-") as root, concurrent.futures.ThreadPoolExecutor(2) as threads:
        both = Both(root, os.path.abspath(arguments.outlive))
        for answer in threads.map(both.ask, enumerate(texts)):
            if answer in (True, False):
                taken += answer
            else:
                differ += 1
                if differ <= 20:
                    print("--- {}\nphp-fpm: {}\nours: {}".format(*answer))
    print(f"{len(texts)} configurations of FPM, of which php-fpm takes {taken}; {differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
