#!/usr/bin/env python3
"""Holds `outlive dump` against ini_get_all() of php-cli and php-cgi 8.2: every directive, on php.ini files as people have them.

    inis.py --count N [--seed N] [--outlive PROGRAM]

A file is Debian's php.ini-development or php.ini-production with lines edited the way howtos tell, taken out, doubled or put at its end; beside
it lie files of a scan directory as images and packages drop them there, and a `.user.ini` for php-cgi. Values are right, nearly right, and
plainly wrong: units, quotes, comments behind `#`, words for switches, constants, variables. opcache is loaded. Wants php8.2-cli, php8.2-cgi and
php8.2-opcache.

Facts: I-184.
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import precedence

PROBE = '<?php echo "BEGIN", json_encode(ini_get_all(), JSON_INVALID_UTF8_SUBSTITUTE), "END";'
WORDS = ["On", "Off", "on", "off", "yes", "No", "true", "FALSE", "none", "null", "1", "0", "2", "-1", "", '""', "''", '"On"', '"off"', "'1'", "enable", "1 ; on",
         "0 # off", "stderr", "stdout", '"0"', " on ", "1abc", "0x1", "E_ALL"]
SIZES = ["8M", "64M", "256M", "512m", "1G", "2g", "0", "-1", "1024", "100K", "16MB", "1.5G", "256 M", "0x10", "010", "1e3", "32M ; big", "32M # big", '"64M"', "'128M'", "64M,",
         "99999999999999999999", "", "abc", "5 5", "4096", "+7", "1k", "-5M", "128M\t", "0b101", "0o17", "1_000"]
TEXTS = ["UTF-8", '"a b"', "'it''s'", "a;b", '"a;b"', "a # b", "$x", "${HOME}", '"${NO_SUCH}/x"', "${memory_limit}", "none", "a b  c", "a&b", "a|b", "!a", "(a)", "/var/lib/php",
         '"C:\\\\x\\"', "http://x/?a=b", "a=b", "E_ALL & ~E_DEPRECATED & ~E_STRICT", "E_ALL | E_STRICT", "~E_NOTICE", "32767", "Europe/Berlin", "Mars/Base", "exec,system, passthru",
         '"&amp;"', "\u00e9\u00fc", "0", "1", "-1", "nocache", "Lax", "strict", "7", "files", "redis", "GPCS", "EGPCS", '"tcp://h:1?a=1&b=2"', "[a]", "{a}", "%m", "user@example.com", "",
         "PHP_VERSION", "PHP_OS PHP_EOL", "LOG_USER", "all", "no-ctrl", "LOG_LOCAL0", "!", "^1", "1^3", "1|", "yes no", "a'b", "x\\ny"]
# What keeps the probe from answering, or from answering as JSON.
BREAKING = {"extension", "zend_extension", "auto_prepend_file", "auto_append_file", "open_basedir", "output_handler", "zlib.output_handler", "session.auto_start", "doc_root", "user_dir",
            "browscap", "mbstring.internal_encoding", "zend.multibyte", "zend.script_encoding", "memory_limit", "disable_functions", "cgi.nph", "cgi.redirect_status_env", "fiber.stack_size",
            "zlib.output_compression", "user_ini.filename", "serialize_precision", "cgi.force_redirect", "max_execution_time", "max_input_time", "hard_timeout", "output_buffering",
            "opcache.preload", "opcache.preload_user", "opcache.file_cache", "opcache.file_cache_only", "opcache.lockfile_path", "opcache.error_log", "opcache.restrict_api"}
OPCACHE = ["-d", "zend_extension=opcache"]
MEMORY = ["64M", "256M", "1G", "-1", "512M ; x", "0x8000000", '"96M"', "128000000", "1.5G", "256 M"]
IMAGES = ["opcache.memory_consumption=128\nopcache.interned_strings_buffer=8\nopcache.max_accelerated_files=4000\nopcache.revalidate_freq=2\n",
          "error_reporting = E_ERROR | E_WARNING | E_PARSE | E_CORE_ERROR | E_CORE_WARNING | E_COMPILE_ERROR | E_COMPILE_WARNING | E_RECOVERABLE_ERROR\ndisplay_errors = Off\n"
          "display_startup_errors = Off\nlog_errors = On\nerror_log = /dev/stderr\nlog_errors_max_len = 1024\nignore_repeated_errors = On\nignore_repeated_source = Off\nhtml_errors = Off\n",
          "upload_max_filesize = 64M\npost_max_size = 64M\nmax_execution_time = 600\nmemory_limit = 256M\n", "memory_limit=${PHP_MEMORY_LIMIT}\nupload_max_filesize=${PHP_UPLOAD_LIMIT}\n",
          "[Date]\ndate.timezone = \"UTC\"\n[Session]\nsession.gc_maxlifetime = 7200\nsession.cookie_secure = 1\nsession.cookie_samesite = Lax\n",
          "; comment\n# another\nexpose_php=0\nphp_value x 5\nmax_input_vars = 5000\n", "mbstring.language = Neutral\nshort_open_tag = on\nassert.exception=1\nrealpath_cache_ttl=7200\n"]


def names(base):
    """What the stock file has lines for, and what this PHP has."""
    text = subprocess.run(["php8.2", "-n", *OPCACHE, "-r", 'echo implode("\\n", array_keys(ini_get_all()));'], capture_output=True, text=True, check=True).stdout
    found = set(re.findall(r"^;?([a-z][a-z0-9_.]+) *=", base, re.M)) & set(text.split())
    return sorted(found), sorted(set(text.split()))


def value(rng, name):
    if name == "memory_limit":
        return rng.choice(MEMORY)
    kind = rng.choice([WORDS, SIZES, TEXTS])
    if re.search("size|limit|max|time|length|probability|divisor|level|ttl|cache", name) and rng.random() < .6:
        kind = SIZES
    elif re.search("enable|display|html|log_errors|use_|auto|allow|short|expose|cookie_secure|httponly|ignore", name) and rng.random() < .6:
        kind = WORDS
    return rng.choice(kind)


def line(rng, pool):
    name = rng.choice(pool)
    if name in BREAKING and name != "memory_limit":
        name = "precision"
    equals = rng.choice([" = ", "=", " =", "= ", "\t=\t"])
    odd = rng.random()
    if odd < .02:
        return rng.choice([f"{name}", f"# {name}{equals}5", f"{name.upper()}{equals}5", f"php_value[{name}]{equals}5", f"{name}[]{equals}", "[section", "no = thanks", "// x", "=5"])
    return f"{rng.choice(['', '', '', ' '])}{name}{equals}{value(rng, name)}"


def php_ini(rng, base, stock, every):
    """The stock file, edited."""
    lines = base.split("\n")
    for _ in range(rng.choice([1, 3, 8, 20])):
        name = rng.choice(stock)
        if name in BREAKING and name != "memory_limit":
            continue
        places = [at for at, text in enumerate(lines) if re.match(rf";?{re.escape(name)} *=", text)]
        if places:
            lines[rng.choice(places)] = f"{name} = {value(rng, name)}"
    for _ in range(rng.choice([0, 0, 2, 6])):
        lines.insert(rng.randrange(len(lines)), line(rng, every))
    if rng.random() < .3:
        lines += [line(rng, every) for _ in range(rng.randint(1, 10))]
    text = "\n".join(lines)
    if rng.random() < .1:
        text = text.replace("\n", "\r\n")
    if rng.random() < .05:
        text = "\ufeff" + text
    return text


class Asked:
    def __init__(self, root, program):
        self.root, self.program = root, program
        sapi = "/usr/lib/php/8.2"
        self.bases = [open(f"{sapi}/php.ini-{kind}", encoding="latin-1").read() for kind in ("development", "production")]
        self.stock, self.every = names(self.bases[0])
        self.own = {sapi: self.peculiar(sapi) for sapi in ("cli", "cgi-fcgi")}

    def run(self, words, env, where):
        return subprocess.run(words, capture_output=True, cwd=where, env=env, timeout=120, stdin=subprocess.DEVNULL)

    def php(self, sapi, options, where, env):
        if sapi == "cli":
            done = self.run(["php8.2", *options, f"{where}/www/p.php"], env, where)
        else:
            more = {"SCRIPT_FILENAME": f"{where}/www/p.php", "DOCUMENT_ROOT": f"{where}/www", "REQUEST_METHOD": "GET", "REDIRECT_STATUS": "200", "SERVER_NAME": "localhost"}
            done = self.run(["php-cgi8.2", *options], {**env, **more}, where)
        text = done.stdout.decode("utf-8", "replace")
        if "BEGIN" not in text or "END" not in text:
            return None
        try:
            return json.loads(text[text.index("BEGIN") + 5:text.rindex("END")])
        except ValueError:
            return None

    def mine(self, sapi, options, where):
        done = self.run([self.program, "dump", "--json", "--sapi", sapi, "--file", f"{where}/www/p.php", "--document-root", f"{where}/www", *options],
                        {"PATH": os.environ["PATH"]}, where)
        return (json.loads(done.stdout) if done.returncode == 0 else None), done.stderr.decode()

    def peculiar(self, sapi):
        """What this build begins with and others do not."""
        where = f"{self.root}/peculiar-{sapi}"
        os.makedirs(f"{where}/www")
        open(f"{where}/www/p.php", "w").write(PROBE)
        rows = self.php(sapi, ["-n", *OPCACHE], where, {"PATH": os.environ["PATH"]})
        own, _ = self.mine(sapi, ["--built-in"], where)
        return {name for name, row in rows.items() if own.get(name, {}).get("value") != (row["local_value"] or "")}

    def compare(self, job):
        number, seed = job
        rng = random.Random(seed)
        where = f"{self.root}/{number}"
        os.makedirs(f"{where}/www")
        os.makedirs(f"{where}/conf.d")
        texts = {"php.ini": php_ini(rng, rng.choice(self.bases), self.stock, self.every) if rng.random() < .8 else "\n".join(line(rng, self.every) for _ in range(rng.randint(1, 15)))}
        for at in range(rng.choice([0, 1, 1, 2])):
            texts[f"conf.d/{rng.choice(['10-opcache', 'docker-php', 'zz-custom', '99-x'])}{at}.ini"] = rng.choice(IMAGES) if rng.random() < .6 else "\n".join(line(rng, self.every) for _ in range(3))
        sapi = rng.choice(["cli", "cgi-fcgi", "cgi-fcgi"])
        if rng.random() < .5:
            texts["www/.user.ini"] = "\n".join(line(rng, self.every) for _ in range(rng.randint(1, 5))).replace("[", "(") + "\n"
        texts["conf.d/00-opcache.ini"] = "zend_extension=opcache\n"
        texts["www/p.php"] = PROBE
        for name, text in texts.items():
            with open(f"{where}/{name}", "w", encoding="utf-8", newline="") as file:
                file.write(text)
        env = {"PATH": os.environ["PATH"], "HOME": "/home/x", "PHP_MEMORY_LIMIT": "200M", "PHP_INI_SCAN_DIR": f"{where}/conf.d"}
        theirs = self.php(sapi, ["-c", f"{where}/php.ini"], where, env)
        if theirs is None:
            return 0, None
        options = ["--php-ini", f"{where}/php.ini", "--scan-dir", f"{where}/conf.d"] + [word for name in ("HOME", "PHP_MEMORY_LIMIT", "PATH") for word in ("--env", f"{name}={env[name]}")]
        own, said = self.mine(sapi, options, where)
        if own is None:
            return 0, f"the command gives nothing: {said}"
        wrong = []
        for name, row in theirs.items():
            if name in self.own[sapi]:
                continue
            got = own.get(name)
            want = [row["local_value"] or "", row["global_value"] or "", row["access"]]
            mine = got and [got["value"], got["global"], got["access"]]
            if not precedence.same(mine, want):
                lines = [f"{file}: {text}" for file, all in texts.items() for text in all.split("\n") if name in text][:4]
                wrong.append(f"{name}: PHP {want}, ours {mine}; {lines}")
        subprocess.run(["rm", "-r", where], check=True)
        return len(theirs) - len(self.own[sapi]), "\n".join(wrong) or None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--outlive", default="target/debug/outlive")
    arguments = parser.parse_args()
    compared = files = unanswered = differ = 0
    with tempfile.TemporaryDirectory(prefix="outlive-inis-") as root, concurrent.futures.ThreadPoolExecutor(2) as threads:
        asked = Asked(root, os.path.abspath(arguments.outlive))
        jobs = [(at, f"{arguments.seed}/{at}") for at in range(arguments.count)]
        for job, (count, wrong) in zip(jobs, threads.map(asked.compare, jobs)):
            compared += count
            files += bool(count)
            unanswered += not count and not wrong
            if wrong:
                differ += 1
                print(f"{job[1]}: {wrong}" if differ <= 20 else "", flush=True)
    print(f"{files} configurations, {compared} directives compared, {unanswered} that PHP did not answer, {differ} differ")
    return 1 if differ or files < arguments.count * 3 // 4 else 0


if __name__ == "__main__":
    sys.exit(main())
