#!/usr/bin/env python3
"""The variables that a real apache2 hands to a FastCGI server: each by its name in reqenv(), and those of expressions.

  handed.py [--out FILE]

Boots Debian's apache2 on loopback, by way of tests/conformance/httpd/harness.py, with a FastCGI server of its own behind it that sends back
what it was handed. The answers go to FILE (tests/conformance/httpd/handed.json is one), which tests/httpd_handed.rs replays.
"""
import argparse
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ('AUTH_TYPE CONTENT_LENGTH CONTENT_TYPE CONTEXT_DOCUMENT_ROOT CONTEXT_PREFIX DOCUMENT_ROOT DOCUMENT_URI FOO GATEWAY_INTERFACE HTTPS HTTP_1A HTTP_ACCEPT HTTP_AUTHORIZATION '
         'HTTP_CONTENT_FOO HTTP_CONTENT_LENGTH HTTP_CONTENT_TYPE HTTP_EVIL HTTP_HOST HTTP_PROXY HTTP_PROXY_AUTHORIZATION HTTP_X_A_B HTTP_X_BANG HTTP_X_EMPTY HTTP_X_PLAIN HTTP_X_UNDER HTTP__LEAD PATH_INFO '
         'PATH_TRANSLATED QUERY_STRING REDIRECT_FOO REDIRECT_QUERY_STRING REDIRECT_STATUS REDIRECT_URL REMOTE_ADDR REMOTE_HOST REMOTE_USER REQUEST_FILENAME REQUEST_METHOD REQUEST_SCHEME REQUEST_URI '
         'SCRIPT_FILENAME SCRIPT_NAME SCRIPT_URI SCRIPT_URL SERVER_ADDR SERVER_ADMIN SERVER_NAME SERVER_PORT SERVER_PROTOCOL SERVER_SIGNATURE UNIQUE_ID http_host Http_X_Plain').split()
VARIABLES = 'AUTH_TYPE CONTENT_TYPE DOCUMENT_ROOT DOCUMENT_URI HANDLER LAST_MODIFIED PATH_INFO QUERY_STRING REMOTE_USER REQUEST_FILENAME REQUEST_STATUS REQUEST_URI SCRIPT_FILENAME'.split()
HEADERS = {'Content-Type': 'text/x', 'Content-Length': '0', 'Authorization': 'Basic Ym9iOnB3', 'Proxy-Authorization': 'x', 'Proxy': 'bad', 'X-A.B': 'dot', 'X_Under': 'u', 'X-Plain': 'v', 'X!Bang': 'b', 'X-Empty': '',
           'Accept': '*/*', 'Content-Foo': 'cf', '1a': 'one', '-lead': 'l'}
REQUESTS = [{'url': '/p.php/pi?q=1', 'method': 'POST', 'headers': HEADERS}, {'url': '/nf?z', 'headers': HEADERS}, {'url': '/p.php'}, {'url': '/al/p.php'}, {'url': '/rw?b'}, {'url': '/htrw?a'},
            {'url': '/sec/p.php', 'headers': HEADERS, 'user': 'bob'}, {'url': '/passed/p.php/x?y', 'headers': HEADERS}]
CONF = '''LoadModule proxy_fcgi_module /usr/lib/apache2/modules/mod_proxy_fcgi.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
DocumentRoot @ROOT@/www
ServerAdmin a@b
<Directory @ROOT@/www>
AllowOverride All
Require all granted
</Directory>
<FilesMatch "\\.php$">
SetHandler "proxy:fcgi://127.0.0.1:@FPM@"
</FilesMatch>
ProxyPassMatch "^/passed/(.*\\.php(/.*)?)$" "fcgi://127.0.0.1:@FPM@@ROOT@/www/$1"
SetEnv FOO bar
SetEnvIf Host . HTTP_EVIL=1 CONTENT_TYPE=zz REMOTE_ADDR=9.9.9.9 HTTP_HOST=no
Alias /al @ROOT@/www/sub
Alias /sec @ROOT@/www
<Location /sec>
AuthType Basic
AuthName x
AuthUserFile @ROOT@/users
Require valid-user
</Location>
ErrorDocument 404 /p.php/err
RewriteEngine on
RewriteRule ^/rw$ /p.php/r [PT]
'''


def conf():
    lines = [f'ProxyFCGISetEnvIf "true" A_{name} "[%{{reqenv:{name}}}]"' for name in NAMES]
    lines += [f'ProxyFCGISetEnvIf "true" V_{name} "[%{{{name}}}]"' for name in VARIABLES]
    lines += ['ProxyFCGISetEnvIf "true" C_env "%{env:HTTP_HOST}|%{tolower:%{reqenv:REQUEST_METHOD}}"', 'ProxyFCGISetEnvIf "-n reqenv(\'REDIRECT_URL\')" C_if yes', 'ProxyFCGISetEnvIf "reqenv(\'REMOTE_ADDR\') == \'9.9.9.9\'" C_if evil']
    return CONF + '\n'.join(lines) + '\n'


def pairs(data):
    """The names and values of FastCGI's parameters."""
    found, at = {}, 0

    def length():
        nonlocal at
        if data[at] < 128:
            at += 1
            return data[at - 1]
        at += 4
        return struct.unpack('>I', data[at - 4:at])[0] & 0x7fffffff

    while at < len(data):
        name, value = length(), length()
        found[data[at:at + name].decode('latin1')] = data[at + name:at + name + value].decode('latin1')
        at += name + value
    return found


def answer(client):
    data, params = b'', b''
    while True:
        more = client.recv(65536)
        if not more:
            return
        data += more
        while len(data) >= 8:
            _, kind, request, size, padding, _ = struct.unpack('>BBHHBB', data[:8])
            if len(data) < 8 + size + padding:
                break
            body, data = data[8:8 + size], data[8 + size + padding:]
            params += body if kind == 4 else b''
            if kind == 5 and not size:
                handed = {name: value for name, value in pairs(params).items() if name[:2] in ('A_', 'V_', 'C_')}
                text = b'Content-Type: text/plain\r\n\r\n\x01PROBE' + json.dumps({'ini': {}, 'server': handed}).encode() + b'PROBE\x02'
                client.sendall(struct.pack('>BBHHBB', 1, 6, request, len(text), 0, 0) + text + struct.pack('>BBHHBB', 1, 3, request, 8, 0, 0) + bytes(8))
                return


def serve(listener):
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            answer(client)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--out', required=True)
    parser.add_argument('--port', type=int, default=18600)
    args = parser.parse_args()
    os.environ['CONF_PORT'] = str(args.port)
    os.environ['CASES_BASE'] = os.path.join(tempfile.gettempdir(), 'outlive', f'd{os.getpid()}')
    sys.path.insert(0, os.path.join(HERE, '..', 'conformance', 'httpd'))
    import harness
    password = subprocess.run(['openssl', 'passwd', '-apr1', '-salt', 'abcdefgh', 'pw'], capture_output=True, text=True, check=True).stdout
    files = {'users': f'bob:{password}', 'www/p.php': 'x', 'www/sub/p.php': 'x', 'www/.htaccess': 'RewriteEngine on\nRewriteRule ^htrw$ p.php/hr\n'}
    work = tempfile.mkdtemp(prefix='httpd-handed-')
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(8)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    fpm = str(listener.getsockname()[1])
    try:
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(work, 'files', name)), exist_ok=True)
            open(os.path.join(work, 'files', name), 'w').write(text)
        open(os.path.join(work, 'httpd.conf'), 'w').write(conf().replace('@FPM@', fpm))
        os.makedirs(harness.RUN, exist_ok=True)
        expected = harness.run({'requests': REQUESTS, '_dir': work}, os.path.join(harness.RUN, 'handed'))
    finally:
        listener.close()
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(harness.BASE, ignore_errors=True)
    if not expected['config_ok']:
        raise SystemExit(expected['config_messages'])
    requests = [{**one['request'], 'status': one['status'], 'handed': json.loads(json.dumps(one['php']['server']).replace(fpm, '@FPM@'))} for one in expected['requests']]
    json.dump({'conf': conf(), 'files': files, 'requests': requests}, open(args.out, 'w'), indent=1)
    open(args.out, 'a').write('\n')


if __name__ == '__main__':
    main()
