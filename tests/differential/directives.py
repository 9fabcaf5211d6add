#!/usr/bin/env python3
"""Every directive of every stock module, with good and bad arguments and in every place: what a real apache2 refuses.

  directives.py [--out FILE] [--only REGEX] [--why]
  directives.py --table       src/httpd/syntax/modules.txt anew, from the modules themselves

Writes a line for each as arguments.py does: `-` refused, `+` taken, `?` refused for what this machine has not, a blank, and the text. What the resolver says of them is asked with
`OUTLIVE_DIRECTIVES=FILE cargo test --test httpd_arguments every_directive`. Needs apache2-dev and a C compiler: one httpd reads its
modules once and the rest of its configuration in a child for each line (each_line.c).
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
TABLE = HERE / '../../src/httpd/syntax/modules.txt'
MODULES = pathlib.Path('/usr/lib/apache2/modules')
# Others use what these bring.
FIRST = 'watchdog slotmem_shm slotmem_plain socache_shmcb socache_dbm proxy proxy_balancer dav cache session ldap authn_core authz_core dbd'.split()
# One of each kind: the module for processes, mod_php, mod_cgi.
LEFT_OUT = {'php_module', 'php7_module', 'php5_module', 'mpm_event_module', 'mpm_worker_module', 'outlive_module'}
WORDS = ['', 'x', '""', 'on', 'Off', '0', '-1', '1', '7', '100', '70000', '99999999999999999999', '5s', '5ms', '5x', 'none', 'all', '/x', '/tmp',
         '/dev/null', 'rel/x', 'x y', 'x y z', 'x y z w', '"("', 'http://127.0.0.1/', '127.0.0.1:80', 'a=b', '%{X', '/a /b', '/a 5', 'on x']
FLAGS = ['', 'on', 'OFF', 'x', '""', 'on x']
PLACES = ['<VirtualHost *:80>\\n{}\\n</VirtualHost>', '<Directory /x>\\n{}\\n</Directory>', '<Location /x>\\n{}\\n</Location>',
          '<Directory /x>\\n<Files x>\\n{}\\n</Files>\\n</Directory>', '<Files x>\\n{}\\n</Files>', '<If true>\\n{}\\n</If>',
          '<Directory /x>\\n<Limit GET>\\n{}\\n</Limit>\\n</Directory>', '<Proxy *>\\n{}\\n</Proxy>', '<LocationMatch ^/x>\\n{}\\n</LocationMatch>',
          '<VirtualHost *:80>\\n<Location /x>\\n{}\\n</Location>\\n</VirtualHost>', '<Directory /x>\\n<RequireAll>\\n{}\\n</RequireAll>\\n</Directory>',
          '<IfModule !x>\\n{}\\n</IfModule>']
SERVER, HTACCESS, ON_READ = 128, 31, 256
# Refusals that come of the machine and not of the line: files, directories, accounts, libraries and host names that are not there.
MACHINE = re.compile('does not exist|No such file|Bad file descriptor|not readable|[Cc]annot open|Could not open|Cannot load|not a directory|'
                     'valid directory|not found|bad (user|group) name|Cannot access directory|suexec binary|apr_dbd_|service not known|'
                     'certificate file path|any compression methods|Empty passwords|ProxySourceAddress invalid|OpenSSL configuration command|'
                     'does not support the Entropy|MDExternalAccountBinding|charset|character set')


def table():
    """Directives as the table has them: name, places, kind of arguments."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        words = line.split()
        if line.startswith('#') or words[0] in ('module', 'static'):
            source = words[2] if words[0] in ('module', 'static') else None
            skip = source in ('mpm_event.c', 'mpm_worker.c', 'mod_outlive.c')
        elif not skip and not words[0].startswith('<'):
            rows.setdefault(words[0], (int(words[1]), words[2]))
    return rows


def loads():
    named = [line.split()[1] for line in TABLE.read_text().splitlines() if line.startswith('module ')]
    named = [name for name in named if name not in LEFT_OUT]
    named.sort(key=lambda name: FIRST.index(name[:-7]) if name[:-7] in FIRST else len(FIRST))
    found = [(name, MODULES / f'mod_{name[:-7]}.so') for name in named]
    for name, path in found:
        if not path.exists():
            print(f'{path} is missing: what {name} has is not asked', file=sys.stderr)
    return [f'LoadModule {name} {path}' for name, path in found if path.exists()] + [f'LoadModule php_module {MODULES}/libphp8.2.so']


def configuration(root, module, more):
    return '\n'.join([f'ServerRoot {root}', f'DefaultRuntimeDir {root}', *loads(), f'LoadModule each_line_module {module}', f'PidFile {root}/pid',
                      f'ErrorLog {root}/error.log', 'User www-data', 'Group www-data', 'ServerName localhost', 'TypesConfig /dev/null',
                      'Listen 127.0.0.1:18390', more, ''])


def httpd(root, at, module, more):
    path = root / f'{at}.conf'
    path.write_text(configuration(root, module, more))
    return subprocess.Popen(['apache2', '-t', '-f', path], env={'PATH': '/usr/sbin:/usr/bin:/bin', 'LANG': 'C'})


def ask(root, module, lines):
    """What a httpd says of each line: taken or not, and its words."""
    share = (len(lines) + 1) // 2
    parts = [part for part in (lines[:share], lines[share:]) if part]
    running = []
    for at, part in enumerate(parts):
        (root / f'{at}.lines').write_text('\n'.join(part) + '\n')
        running.append(httpd(root, at, module, f'EachLine {root}/{at}.lines {root}/{at}.answers'))
    answers = []
    for at, process in enumerate(running):
        process.wait()
        said = (root / f'{at}.answers').read_text(errors='replace').splitlines()
        if len(said) != len(parts[at]):
            sys.exit(f'{len(said)} answers to {len(parts[at])} lines')
        for one in said:
            status, _, why = one.partition(' ')
            answers.append((status == '0', why.strip()))
    return answers


def build(root):
    shutil.copy(HERE / 'each_line.c', root)
    made = subprocess.run(['apxs', '-o', 'mod_each_line.so', '-c', 'each_line.c'], cwd=root, capture_output=True, text=True)
    if made.returncode:
        sys.exit(made.stderr)
    return root / '.libs/mod_each_line.so'


def own_words():
    rows = (line.split('\t') for line in (HERE / 'directives.tsv').read_text().splitlines() if not line.startswith('#'))
    return {name.lower(): words.split(' ¦ ') for name, words in rows}


def written(name, words):
    return f'{name} {words}'.rstrip()


def put(text, where):
    """A line for the words of a directive stands where the directive may."""
    if where & (SERVER | ON_READ) or where & HTACCESS and not where & (8 | 1):
        return text
    return f'<Directory /x>\\n{text}\\n</Directory>'


def recorded(args, root, module):
    own = own_words()
    rows = {name: row for name, row in table().items() if re.search(args.only, name)}
    lines, good = [], {}
    for name, (where, kind) in rows.items():
        for words in dict.fromkeys((FLAGS if kind == '5' else WORDS) + own.get(name.lower(), [])):
            lines.append((name, put(written(name, words), where), words))
    answers = ask(root, module, [line for _, line, _ in lines])
    out = [(line, *answer) for (_, line, _), answer in zip(lines, answers)]
    for (name, _, words), (fine, _) in zip(lines, answers):
        if fine and name not in good:
            good[name] = written(name, words)
    placed = [place.format(good.get(name, written(name, 'x'))) for name in rows for place in PLACES] + [good.get(name, written(name, 'x')) for name in rows]
    known = {line for line, *_ in out}
    placed = [line for line in dict.fromkeys(placed) if line not in known]
    return out + [(line, *answer) for line, answer in zip(placed, ask(root, module, placed))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--out')
    parser.add_argument('--only', default='')
    parser.add_argument('--why', action='store_true', help='what httpd says, as comments')
    parser.add_argument('--table', action='store_true')
    args = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix='directives-'))
    root.chmod(0o755)
    try:
        module = build(root)
        if args.table:
            httpd(root, 0, module, f'DirectiveTable {root}/table').wait()
            print((root / 'table').read_text(), end='')
            return
        rows = recorded(args, root, module)
    finally:
        shutil.rmtree(root)
    out = open(args.out, 'w') if args.out else sys.stdout
    for line, fine, why in rows:
        print('+' if fine else '?' if MACHINE.search(why) else '-', line, file=out)
        if args.why and not fine:
            print('#', re.sub(r'/tmp/directives-\w+/', '', why)[:300], file=out)
    print(f'{len(rows)} asked, {sum(not fine for _, fine, _ in rows)} refused', file=sys.stderr)


if __name__ == '__main__':
    main()
