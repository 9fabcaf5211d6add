#!/usr/bin/env python3
"""Trees in the manner of CMSs, frameworks, panels and distributions: what real servers answer, against what `outlive get` says.

  trees.py [NAME...] [--sapi mod_php|fpm] [--outlive FILE] [--port P] [--record FILE] [--trees DIR] [--https] [--vary N [--seed S]]

The trees are tests/conformance/trees/*.tree (their form: tests/conformance/README.md). Each becomes a virtual host of a real apache2, with
mod_php and with PHP-FPM behind it; each request is asked of the server and of the command, and the status, where a redirect leads, the
script, and every directive have to agree. --record writes what the servers answered. --https asks half of the requests over TLS, on a second
port. --vary makes N more requests of each that is written: other methods, agents, cookies, addresses and names. Exit status 0: all agree.
"""
import argparse
import glob
import gzip
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TREES = os.path.join(ROOT, 'tests', 'conformance', 'trees')
MODULES = '''mpm_prefork authz_core authz_host authz_user authz_groupfile access_compat authn_core authn_file auth_basic alias dir mime
env setenvif headers rewrite expires deflate filter negotiation autoindex actions proxy proxy_fcgi unique_id include cgi substitute
allowmethods socache_shmcb ssl'''.split()
TYPES = 'text/html html htm\ntext/css css\ntext/plain txt log\napplication/javascript js\nimage/jpeg jpg jpeg\nimage/png png\nimage/webp webp\nimage/svg+xml svg\napplication/xml xml\napplication/json json\napplication/zip zip\napplication/pdf pdf\nimage/gif gif\nimage/x-icon ico\nfont/woff2 woff2\n'
PROBE = '<?php header("X-Probe: 1"); echo "\\x01", json_encode(["file" => $_SERVER["SCRIPT_FILENAME"], "ini" => ini_get_all(null, false)], JSON_INVALID_UTF8_SUBSTITUTE), "\\x02";'
# Where the build is, and what its packager compiled in, is in no file of a tree.
BUILD = {'extension_dir', 'session.save_path', 'include_path', 'session.gc_probability', 'session.upload_progress.enabled', 'sys_temp_dir'}
USERS = 'ann:$apr1$salt1234$xQ3eKtvFhQ.7V2VkKkGzI/\n'


def read(path):
    """The trees of a file: {name, files, host, server, requests}."""
    trees, part = [], None
    for number, line in enumerate(open(path), 1):
        line = line.rstrip('\n')
        if line.startswith('=== '):
            name, _, flags = line[4:].partition(' ')
            flags = flags.split()
            trees.append({'name': name, 'kept': 'keep' in flags, 'only': [flag for flag in flags if flag != 'keep'], 'files': {}, 'host': [], 'links': {}, 'requests': []})
            part = None
        elif line.startswith('--- '):
            part = line[4:].strip()
            if part.startswith('+'):
                for name in part[1:].split():
                    trees[-1]['files'][name] = PROBE if name.endswith(('.php', '.phtml', '.inc', '.php5', '.cgi')) else 'x\n'
                part = None
            elif part.startswith('link '):
                _, name, to = part.split()
                trees[-1]['links'][name] = to
            elif part not in ('host', 'ask'):
                trees[-1]['files'][part] = ''
        elif part == 'host':
            trees[-1]['host'].append(line)
        elif part == 'ask':
            if line.strip():
                trees[-1]['requests'].append(request(line))
        elif part is not None:
            trees[-1]['files'][part] += (PROBE if line == '@PROBE@' else line) + '\n'
        elif line.strip() and not line.startswith('#'):
            raise SystemExit(f'{path}:{number}: what is this? {line}')
    return trees


def request(line):
    """`[METHOD] URL [| Header: value]...`"""
    first, *headers = [piece.strip() for piece in line.split(' | ')]
    method, _, url = first.rpartition(' ')
    return {'method': method or 'GET', 'url': url, 'headers': dict(header.split(': ', 1) for header in headers)}


def host_of(at):
    return f't{at}.test'


class Server:
    """One apache2 for all trees, with mod_php or with php-fpm."""

    def __init__(self, trees, sapi, port, https=False):
        self.trees, self.sapi, self.port, self.https = trees, sapi, port, https
        self.root = tempfile.mkdtemp(prefix='trees-')
        os.chmod(self.root, 0o755)
        self.fpm = None

    def put(self, text, at):
        return text.replace('@WWW@', f'{self.root}/www/{at}').replace('@ROOT@', self.root).replace('@PORT@', str(self.port))

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)

    def place(self, at, tree):
        for name, text in tree['files'].items():
            self.write(f'www/{at}/{name}', self.put(text, at))
        os.makedirs(f'{self.root}/www/{at}', exist_ok=True)
        for name, to in tree['links'].items():
            os.symlink(self.put(to, at), f'{self.root}/www/{at}/{name}')

    def conf(self, trees):
        modules = MODULES + (['php8.2'] if self.sapi == 'mod_php' else [])
        load = lambda name: 'LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so' if name == 'php8.2' else f'LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so'
        handler = 'application/x-httpd-php' if self.sapi == 'mod_php' else f'"proxy:unix:{self.root}/fpm.sock|fcgi://localhost"'
        lines = [f'ServerRoot "{self.root}"', f'DefaultRuntimeDir "{self.root}"', 'ServerName localhost', f'Listen 127.0.0.1:{self.port}', f'PidFile {self.root}/run.pid', f'ErrorLog {self.root}/error.log',
                 'User www-data', 'Group www-data', *map(load, modules), 'StartServers 2', 'KeepAlive Off', f'TypesConfig {self.root}/mime.types', 'DirectoryIndex index.php index.html',
                 f'<FilesMatch ".+\\.ph(?:ar|p|tml)$">\nSetHandler {handler}\n</FilesMatch>', '<FilesMatch "^\\.ht">\nRequire all denied\n</FilesMatch>', '<Directory />\nRequire all denied\nAllowOverride None\n</Directory>',
                 f'<Directory "{self.root}/www">\nOptions Indexes FollowSymLinks\nAllowOverride All\nRequire all granted\n</Directory>']
        if self.sapi == 'mod_php':
            lines.append(f'PHPIniDir {self.root}/php')
        if self.https:
            lines.append(f'Listen 127.0.0.1:{self.port + 1}')
        for at, tree in enumerate(trees):
            own = [self.put(line, at) for line in tree['host']]
            root = [] if any(line.lower().startswith('documentroot') for line in own) else [f'DocumentRoot "{self.root}/www/{at}"']
            lines += [f'<VirtualHost *:{self.port}>', f'ServerName {host_of(at)}', f'ServerAlias www.{host_of(at)}', *root, *own, '</VirtualHost>']
            if self.https:
                key = ['SSLEngine on', f'SSLCertificateFile {self.root}/cert.pem', f'SSLCertificateKeyFile {self.root}/key.pem']
                lines += [f'<VirtualHost *:{self.port + 1}>', f'ServerName {host_of(at)}', f'ServerAlias www.{host_of(at)}', *key, *root, *own, '</VirtualHost>']
        return '\n'.join(lines) + '\n'

    def __enter__(self):
        self.write('php/php.ini', '')
        self.write('mime.types', TYPES)
        self.write('users', USERS)
        self.write('fpm.conf', f'[global]\nerror_log = {self.root}/fpm.log\n[www]\nuser = www-data\ngroup = www-data\nlisten = {self.root}/fpm.sock\nlisten.owner = www-data\nlisten.mode = 0666\npm = static\npm.max_children = 2\npm.max_requests = 1\nphp_value[upload_max_filesize] = 5M\nphp_admin_value[post_max_size] = 9M\n')
        for at, tree in enumerate(self.trees):
            self.place(at, tree)
        self.write('httpd.conf', self.conf(self.trees))
        if self.https:
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', f'{self.root}/key.pem', '-out', f'{self.root}/cert.pem'], check=True, stderr=subprocess.DEVNULL)
        env = {'PATH': '/usr/sbin:/usr/bin', 'LANG': 'C', 'PHP_INI_SCAN_DIR': ''}
        if self.sapi == 'fpm':
            self.fpm = subprocess.Popen(['php-fpm8.2', '-F', '-y', f'{self.root}/fpm.conf', '-c', f'{self.root}/php/php.ini'], env=env, stderr=subprocess.DEVNULL, start_new_session=True)
            self.wait(lambda: os.path.exists(f'{self.root}/fpm.sock'), self.fpm)
        checked = subprocess.run(['apache2', '-t', '-f', f'{self.root}/httpd.conf'], env=env, capture_output=True, text=True)
        if checked.returncode:
            raise SystemExit(checked.stderr)
        self.httpd = subprocess.Popen(['apache2', '-f', f'{self.root}/httpd.conf', '-DFOREGROUND'], env=env, stderr=subprocess.DEVNULL, start_new_session=True)
        self.wait(self.listens, self.httpd)
        return self

    def listens(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            return False

    def wait(self, ready, process):
        for _ in range(300):
            if ready():
                return
            if process.poll() is not None:
                break
            time.sleep(.05)
        raise SystemExit(f'a server did not start: see {self.root}')

    def __exit__(self, *_):
        for process in (self.httpd, self.fpm):
            if process:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        shutil.rmtree(self.root, ignore_errors=True)

    def ask(self, at, asked):
        """What the real server answers."""
        client = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        if asked.get('https'):
            client = http.client.HTTPSConnection('127.0.0.1', self.port + 1, timeout=30, context=ssl._create_unverified_context())
        client.putrequest(asked['method'], asked['url'], skip_host=True, skip_accept_encoding=True)
        for name, value in {'Host': self.authority(at, asked), **asked['headers']}.items():
            client.putheader(name, value)
        client.endheaders()
        answer = client.getresponse()
        body = answer.read()
        client.close()
        if body[:2] == b'\x1f\x8b':
            body = gzip.decompress(body)
        start, end = body.find(b'\x01'), body.rfind(b'\x02')
        out = {'status': answer.status}
        if asked['method'] == 'HEAD' and answer.getheader('X-Probe'):
            out['ran'] = True
        if answer.getheader('Location'):
            out['location'] = answer.getheader('Location')
        if start >= 0 and end > start:
            out.update(json.loads(body[start + 1:end]))
        return out

    def authority(self, at, asked):
        return f'{asked.get("host") or host_of(at)}:{self.port + bool(asked.get("https"))}'

    def command(self, outlive, at, asked, names):
        """What the command answers."""
        args = [outlive, 'get', '--json', '--context', '--httpd-conf', f'{self.root}/httpd.conf', '--method', asked['method'], '--url', f'http{"s" * bool(asked.get("https"))}://{self.authority(at, asked)}{asked["url"]}', '--env', 'PHP_INI_SCAN_DIR=']
        for header in asked['headers'].items():
            args += ['--header', ': '.join(header)]
        if self.sapi == 'fpm':
            args += ['--fpm-pool', f'{self.root}/fpm.conf', '--php-ini', f'{self.root}/php/php.ini']
        done = subprocess.run(args + names, capture_output=True, text=True)
        try:
            answer = json.loads(done.stdout)['answers'][0]
        except (ValueError, KeyError):
            return {'error': (done.stdout + done.stderr)[-300:]}
        if 'because' in answer['answer']:
            return answer['answer']
        return {'file': answer['answering_for'].get('script'), 'ini': answer['answer']}


AGENTS = ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36', 'Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)', 'Mozilla/5.0 (compatible; SemrushBot/7~bl)',
          'Googlebot/2.1 (+http://www.google.com/bot.html)', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Mobile/15E148', 'curl/8.5', '-', '', 'libwww-perl/6.7', 'Wget/1.2', 'python-requests/2.3', 'MJ12bot', 'HTTrack', 'EvilScraper']
VARIED = {'User-Agent': AGENTS, 'Referer': ['http://evil.example/x', 'https://www.google.com/', 'http://@HOST@/page', ''], 'Accept-Language': ['de,en;q=0.5', 'fr-CA', 'en'],
          'Cookie': ['wordpress_logged_in_1=x', 'bypass=1; lang=de', 'nocache=1', 'lang=fr', 'PHPSESSID=abc'], 'Accept': ['text/html,image/webp,*/*;q=0.8', '*/*', 'image/avif', 'application/json'], 'Accept-Encoding': ['gzip, deflate, br', 'gzip', 'br'],
          'X-Forwarded-Proto': ['https', 'http'], 'X-Forwarded-For': ['203.0.113.9', '10.0.0.7, 127.0.0.1'], 'X-Requested-With': ['XMLHttpRequest'], 'Authorization': ['Basic eDp5', 'Bearer abc'], 'Origin': ['https://app.example', 'https://evil.example'], 'CF-Visitor': ['{"scheme":"https"}'], 'X-Real-IP': ['198.51.100.4']}
QUERIES = ['', '?', '?a=b', '?utm_source=x&id=5', '?p=12', '?q=%3Cscript%3E', '?file=../../etc/passwd', '?GLOBALS[x]=1', '?lang=de', '?id=1%20union%20select', '?s=a+b', '?/route', '?author=2', '?url=http://x/', '?x=%00', '?a=b&a=c', '?_method=1', '?debug']


def varied(rng, asked, at, https):
    """A request that is like this one."""
    one = {**asked, 'headers': {**asked['headers']}}
    if rng.random() < .25:
        one['method'] = rng.choice(['GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'TRACK'])
    for name in rng.sample(sorted(VARIED), rng.choice([0, 1, 1, 2, 3])):
        one['headers'].setdefault(name, rng.choice(VARIED[name]).replace('@HOST@', host_of(at)))
    path, _, query = one['url'].partition('?')
    if rng.random() < .4:
        query = rng.choice(QUERIES)
    else:
        query = '?' + query if query else ''
    if rng.random() < .35:
        edits = [lambda p: p + '/', lambda p: p.rstrip('/') or '/', lambda p: '/' + p, lambda p: p + '.bak', lambda p: p + '~', lambda p: p.upper(), lambda p: p + '/x/y', lambda p: p.replace('/', '//'), lambda p: os.path.dirname(p) or '/', lambda p: os.path.dirname(p).rstrip('/') + '/none.php',
                 lambda p: os.path.dirname(p).rstrip('/') + '/.htaccess', lambda p: p + 'index.php', lambda p: p + '%20', lambda p: p.replace('.php', ''), lambda p: p + '.php', lambda p: os.path.dirname(p).rstrip('/') + '/', lambda p: '/index.php' + p, lambda p: os.path.dirname(p).rstrip('/') + '/none', lambda p: p + '%0a', lambda p: os.path.dirname(p).rstrip('/') + '/.git/config', lambda p: p + ';x']
        path = rng.choice(edits)(path)
    if rng.random() < .1:
        one['host'] = 'www.' + host_of(at)
    one['https'] = https and rng.random() < .5
    return {**one, 'url': path + query}


def difference(real, own):
    """What the two say otherwise; none: they agree."""
    if 'error' in own:
        return own['error'] or 'says nothing'
    if 'ini' not in real:
        if real.get('ran') and 'ini' in own:
            return None
        if 'ini' in own:
            return f'runs {own["file"]}, but the server answers {real["status"]}'
        if own['status'] != real['status'] or ('location' in own and own['location'] != real.get('location')):
            return f'answers {own["status"]} {own.get("location", "")} ({own["because"]}), the server {real["status"]} {real.get("location", "")}'
        return None
    if 'ini' not in own:
        return f'answers {own["status"]} ({own["because"]}), the server runs {real["file"]} with {real["status"]}'
    wrong = [f'{name}: {own["ini"].get(name)!r}, the server {value!r}' for name, value in real['ini'].items() if name not in BUILD and (value or '') != (own['ini'].get(name) or '')]
    if own['file'] and own['file'] != real['file'].replace('//', '/'):
        wrong.append(f'script {own["file"]}, the server {real["file"]}')
    return '; '.join(wrong) or None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('names', nargs='*')
    parser.add_argument('--sapi', choices=('mod_php', 'fpm'))
    parser.add_argument('--outlive', default=os.path.join(os.environ.get('CARGO_TARGET_DIR') or os.path.join(ROOT, 'target'), 'debug', 'outlive'))
    parser.add_argument('--port', type=int, default=18600)
    parser.add_argument("--record")
    parser.add_argument("--trees", default=TREES)
    parser.add_argument('--https', action='store_true')
    parser.add_argument('--vary', type=int, default=0)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    trees = [tree for path in sorted(glob.glob(f"{args.trees}/*.tree")) for tree in read(path)]
    twice = {tree['name'] for tree in trees if sum(one['name'] == tree['name'] for one in trees) > 1}
    if twice:
        raise SystemExit(f'names that are there twice: {twice}')
    if args.names:
        trees = [tree for tree in trees if any(name in tree['name'] for name in args.names)]
    rng = random.Random(args.seed)
    recorded = {'defaults': {}, 'trees': []}
    different = total = 0
    for sapi in [args.sapi] if args.sapi else ('mod_php', 'fpm'):
        own = [tree for tree in trees if not tree['only'] or sapi in tree['only']]
        with Server(own, sapi, args.port, args.https) as server:
            questions = [(at, asked) for at, tree in enumerate(own) for asked in tree['requests']]
            questions += [(at, varied(rng, asked, at, args.https)) for at, asked in questions for _ in range(args.vary)]
            answers = [server.ask(*question) for question in questions]
            names = sorted({name for answer in answers for name in answer.get('ini', {})} - BUILD) or ['memory_limit']
            with ThreadPoolExecutor(2) as pool:
                says = list(pool.map(lambda question: server.command(args.outlive, *question, names), questions))
            for (at, asked), real, said in zip(questions, answers, says):
                total += 1
                why = difference(real, said)
                if why:
                    different += 1
                    print(f'{own[at]["name"]} ({sapi}) {asked["method"]} {"https " * bool(asked.get("https"))}{asked.get("host") or ""} {asked["url"]} {asked["headers"] or ""}: {why}'.replace(server.root, '@ROOT@'))
            if args.record:
                keep(recorded, server, questions, answers)
        print(f'{sapi}: {len(own)} trees, {total} requests so far, {different} answered otherwise', flush=True)
    if args.record:
        with open(args.record, 'w') as file:
            for part in ({'defaults': recorded['defaults'], 'types': TYPES}, *recorded['trees']):
                file.write(json.dumps(part) + '\n')
    return bool(different)


def keep(recorded, server, questions, answers):
    """What the servers answered for the trees that are kept: directives where they differ from what most requests had."""
    some = [answer['ini'] for answer in answers if 'ini' in answer]
    values = lambda name: [json.dumps(ini.get(name)) for ini in some]
    most = {name: json.loads(max(set(values(name)), key=values(name).count)) for name in sorted({name for ini in some for name in ini}) if name not in BUILD}
    recorded['defaults'][server.sapi] = most
    for at, tree in enumerate(server.trees):
        if not tree['kept']:
            continue
        requests = []
        for (own, asked), real in zip(questions, answers):
            if own == at:
                one = {key: real[key] for key in ('status', 'location', 'file') if key in real}
                if 'ini' in real:
                    one['ini'] = {name: value for name, value in real['ini'].items() if name not in BUILD and value != most[name]}
                requests.append({**asked, **one})
        files = {f'www/0/{name}': '@PROBE@' if text.strip() == PROBE else text for name, text in tree['files'].items()}
        whole = {'name': tree['name'], 'sapi': server.sapi, 'conf': server.conf([tree]), 'files': files, 'links': tree['links'], 'requests': requests}
        text = json.dumps(whole).replace(f'{server.root}/www/{at}', '@ROOT@/www/0').replace('@WWW@', '@ROOT@/www/0').replace(server.root, '@ROOT@')
        recorded['trees'].append(json.loads(text.replace(host_of(at), host_of(0)).replace(str(server.port), '@PORT@')))


if __name__ == '__main__':
    sys.exit(main())
