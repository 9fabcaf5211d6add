"""Whole servers for scenarios: temporary configuration, one worker, started and ended by their pids."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = {"display_errors": "0", "log_errors": "0", "html_errors": "0", "zlib.output_compression": "0", "fastcgi.logging": "0"}
MODULES = "/usr/lib/apache2/modules"
# Only an admin layer may set these below php.ini.
SYSTEM = {"hard_timeout"}


class Workplace:
    """A directory that every user may write to, with the script in it; and what was started there."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="outlive-")
        os.chmod(self.path, 0o777)
        self.processes = []
        shutil.copy(os.path.join(HERE, "play.php"), self.file("play.php"))
        os.chmod(self.file("play.php"), 0o644)
        self.write("php.ini", "".join(f"{name} = {value}\n" for name, value in BASE.items()))

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        with open(self.file(name), "w") as out:
            out.write(text)
        return self.file(name)

    def start(self, command, **options):
        # A session of its own: httpd signals its whole process group when it ends.
        log = open(self.file("server.log"), "a")
        # PHP reads the scenario's php.ini alone, nothing of what this machine has in its scan directory.
        env = {**os.environ, "PHP_INI_SCAN_DIR": ""}
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "start_new_session": True, "env": env, **options}
        self.processes.append(subprocess.Popen(command, **options))
        return self.processes[-1]

    def said(self):
        text = ""
        for name in ("server.log", "error.log"):
            if os.path.exists(self.file(name)):
                with open(self.file(name), errors="replace") as file:
                    text += file.read()
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.stdin:
                process.stdin.close()
            else:
                process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.path, ignore_errors=True)


def free_ports(count):
    """Ports of 127.0.0.1 that nobody has now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for_port(process, port):
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def started(workplace, start, ports_wanted):
    """start(ports) starts a server; other ports are tried when somebody else was quicker."""
    for _ in range(5):
        ports = free_ports(ports_wanted)
        process = start(ports)
        if all(wait_for_port(process, port) for port in ports) and process.poll() is None:
            return ports
        workplace.processes.remove(process)
        if process.poll() is None:
            process.terminate()
            process.wait()
    sys.exit("the server does not start:\n" + workplace.said())


def httpd_conf(workplace, inis, port):
    """One directory for each set of directives, so that one server holds them all."""
    path = workplace.path
    conf = [f"ServerRoot {path}", f"PidFile {path}/httpd.pid", f"Listen 127.0.0.1:{port}", "ServerName localhost", f"ErrorLog {path}/error.log",
            f"DefaultRuntimeDir {path}", f"Mutex file:{path} default", "LogLevel warn", "TypesConfig /dev/null", "Timeout 60", "KeepAlive Off"]
    if os.geteuid() == 0:
        conf += ["User www-data", "Group www-data"]
    conf += [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in ("mpm_prefork", "authz_core", "mime", "dir")]
    conf += [f"LoadModule php_module {MODULES}/libphp8.2.so", f"PHPIniDir {path}", "StartServers 1", "MinSpareServers 1", "MaxSpareServers 1",
             "ServerLimit 1", "MaxRequestWorkers 1", f"DocumentRoot {path}", f"<Directory {path}>", "AllowOverride None", "Require all granted", "</Directory>",
             '<FilesMatch "\\.php$">', "SetHandler application/x-httpd-php", "</FilesMatch>"]
    for number, ini in enumerate(inis):
        folder = workplace.file(f"i{number}")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(workplace.file("play.php"), folder)
        conf += [f"<Directory {folder}>"]
        conf += [f'php_{"admin_" if name in SYSTEM else ""}value {name} "{value}"' for name, value in ini.items()]
        conf += ["</Directory>"]
    return workplace.write("httpd.conf", "\n".join(conf) + "\n")


def fpm_conf(workplace, inis, ports):
    """One pool for each set of directives."""
    conf = ["[global]", f"error_log = {workplace.path}/error.log", "daemonize = no"]
    for number, ini in enumerate(inis):
        conf += [f"[i{number}]", f"listen = 127.0.0.1:{ports[number]}", "pm = static", "pm.max_children = 1"]
        if os.geteuid() == 0:
            conf += ["user = www-data", "group = www-data"]
        conf += [f'php_{"admin_" if name in SYSTEM else ""}value[{name}] = "{value}"' for name, value in ini.items()]
    return workplace.write("fpm.conf", "\n".join(conf) + "\n")


def distinct_inis(scenarios):
    """The sets of directives, each once, and the number of each scenario's."""
    texts = [tuple(sorted(scenario["ini"].items())) for scenario in scenarios]
    inis = sorted(set(texts))
    return [dict(ini) for ini in inis], [inis.index(text) for text in texts]
