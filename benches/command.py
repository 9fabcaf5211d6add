#!/usr/bin/env python3
"""The command's two gates: `explain` as a whole process, on Debian's stock trees and on 10,000 virtual hosts.

    command.py OUTLIVE

Both contestants run in turns in one run, so that a busy machine is busy for both. Needs Debian's apache2 and
libapache2-mod-php8.2.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

OUTLIVE, HOSTS, APACHE, GATE = sys.argv[1], 10_000, '/usr/sbin/apache2', 0.08
DEBIAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../tests/stock/debian')


def once(argv, env):
    """Elapsed and CPU milliseconds of one process."""
    begun = time.perf_counter()
    child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    elapsed = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f'{argv}: exit status {child.returncode}')
    return elapsed * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def rounds(count, *contestants):
    """The median of each, run in turns."""
    seen = [[] for _ in contestants]
    for _ in range(count + 1):
        for results, (argv, env) in zip(seen, contestants):
            results.append(once(argv, env))
    # The first round reads the files into memory.
    return [[statistics.median(column) for column in zip(*results[1:])] for results in seen]


def hosts(root):
    modules = '/usr/lib/apache2/modules'
    lines = [f'LoadModule {name}_module {modules}/{file}.so' for name, file in
             [('mpm_prefork', 'mod_mpm_prefork'), ('authz_core', 'mod_authz_core'), ('dir', 'mod_dir'),
              ('mime', 'mod_mime'), ('php', 'libphp8.2')]]
    lines += [f'ServerRoot {root}', 'ServerName localhost', 'Listen 127.0.0.1:1', f'PidFile {root}/pid',
              f'ErrorLog {root}/log', 'TypesConfig /dev/null', f'DefaultRuntimeDir {root}', f'PHPINIDir {root}',
              'AddHandler application/x-httpd-php .php']
    for at in range(HOSTS):
        lines += ['<VirtualHost *:1>', f'ServerName h{at}.test', f'ServerAlias www.h{at}.test', f'DocumentRoot {root}',
                  f'php_admin_value memory_limit {64 + at % 64}M', f'<Directory {root}/h{at}>', 'AllowOverride None',
                  'php_flag display_errors off', '</Directory>', '</VirtualHost>']
    path = f'{root}/httpd.conf'
    with open(path, 'w') as out:
        out.write('\n'.join(lines) + '\n')
    return path


def main():
    if not all(map(os.path.exists, [APACHE, '/usr/lib/apache2/modules/libphp8.2.so'])):
        print('left out: apache2 and libapache2-mod-php8.2 are not installed')
        sys.exit(os.environ.get('CI') == 'true')
    plain = {'PATH': os.environ['PATH'], 'LANG': 'C'}
    with tempfile.TemporaryDirectory() as root:
        subprocess.run([DEBIAN, root], check=True)
        stock = [OUTLIVE, 'explain', 'memory_limit', '--httpd-conf', f'{root}/etc/apache2/apache2.conf', '--php-ini-search',
                 '--php-ini-path', f'{root}/etc/php/8.2/apache2', '--url', 'http://localhost/x.php', '--file', '/var/www/html/x.php']
        [[elapsed, cpu]] = rounds(50, (stock, plain))
    print(f"explain on Debian's stock trees      {elapsed:8.2f} ms   {elapsed / 10:5.2f} of the gate (10 ms); CPU {cpu:.2f} ms")
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        conf = hosts(root)
        open(f'{root}/x.php', 'w').close()
        own = [OUTLIVE, 'explain', 'memory_limit', '--httpd-conf', conf, '--url', f'http://h{HOSTS // 2}.test:1/x.php']
        theirs = [APACHE, '-d', root, '-f', conf, '-t']
        (mine, mine_cpu), (their, their_cpu) = rounds(9, (own, plain), (theirs, plain))
        ratio = mine_cpu / their_cpu
        print(f"explain on {HOSTS} virtual hosts      {mine:8.2f} ms   {ratio / GATE:5.2f} of the gate ({GATE} of apache2 -t's CPU time, "
              f'{their:.2f} ms); CPU {mine_cpu:.2f} and {their_cpu:.2f} ms')


main()
