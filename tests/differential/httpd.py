#!/usr/bin/env python3
"""Random httpd layouts: what a real apache2 + mod_php answers, against what the resolver says.

  httpd.py [--count N] [--seed S] [--port P] [--out FILE] [--keep FILE]

Boots Debian's apache2 with libapache2-mod-php8.2 on loopback (ports P and P+1) once per layout, by way of
tests/conformance/httpd/harness.py, which ends what it started. The answers go to FILE, one layout a line, in the form
of layouts.jsonl; then `cargo test --test httpd_differential` compares them. Layouts that differ are appended to KEEP:
once the resolver is right they belong in tests/conformance/httpd/found.jsonl.

Left as it is, on purpose: where a RewriteRule with [R] and without [L] is followed by one that leads back to a file, httpd runs the
file and keeps the status of the redirect (302) without a Location; the resolver says 200. The file and its values are the same.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KEYS = ['user_agent', 'docref_root', 'error_prepend_string', 'error_append_string', 'session.upload_progress.prefix']
DIRS = ['', '/a', '/a/b', '/c', '/.d']
NAMES = ['p.php', 'q.php', 'index.php', 'x.inc.php', 'P.txt']


class Maker:
    """One random layout."""

    def __init__(self, rng, number):
        self.r, self.number, self.count = rng, number, 0
        self.files, self.links, self.macros, self.defines = {}, {}, [], []

    def pick(self, *items):
        return self.r.choice(items)

    def some(self, chance):
        return self.r.random() < chance

    def value(self):
        self.count += 1
        kind = self.pick('php_value', 'php_value', 'php_value', 'php_admin_value', 'php_flag', 'php_admin_flag')
        key = self.r.choice(KEYS)
        if kind.endswith('flag'):
            return f'{kind} {key} {self.pick("on", "off", "1", "On", "yes")}'
        return f'{kind} {key} {self.pick(f"v{self.count}", chr(34) + f"v {self.count}" + chr(34), f"{self.count}", "none")}'

    def values(self, own=False):
        lines = [self.value() for _ in range(self.r.randint(1, 3))]
        return [l.replace('php_admin_', 'php_') for l in lines] if own else lines

    def regex(self, subjects):
        s = self.r.choice(subjects)
        if self.some(.15):
            tail = s.split('/')[-1] or 'p'
            return self.pick(f'(?=.*{tail}){s}', f'(?<!zz){s}', f'(?<=/){tail}', f'(?:{s})++', f'(/?)(?:{s}|x\\1)', f'(?>/*){tail}', f'{s}(?!.*zz)', '(a|p|c).*\\1', f'^(?:/[^/]*+)*{tail}', f'(?i:{s.upper()})', f'[[:alpha:]]+/{tail}?', f'\\b{tail}', f'(?#c){s}', f'{s}|zz$', f'(?P<m>{tail})', '[^/.]{1,3}\\.ph?p', '\\.[[:lower:]]{3}$')
        return self.pick(s, '^' + s, s + '$', f'({s})', s.replace('a', '[ab]'), f'(?i){s.upper()}', f'(?!/zz){s}', f'{s}.*', s.replace('/', '[/]'), f'(?<n>{s})')

    def dirname(self):
        base = '@ROOT@/www' + self.r.choice(DIRS)
        return self.pick(base, base, base + '/', base.replace('/a', '/*'), base.replace('/b', '/?'), '@ROOT@/w*', '@ROOT@/www/[ab]', '/', '@ROOT@', '@ROOT@/al', '@ROOT@/www/a/../c', base + '/p.php', base + '/*', '"' + base + '"', '@ROOT@/real')

    def condition(self):
        return self.pick('true', 'false', "%{QUERY_STRING} == 'q'", "%{REQUEST_URI} =~ m#^/a#", "-f %{REQUEST_FILENAME}", "%{HTTP_HOST} == 'h1.test'",
                         "%{REQUEST_METHOD} in {'GET','HEAD'}", "! -n %{QUERY_STRING}", "%{REQUEST_URI} =~ /p\\.php$/ && true", "(%{QUERY_STRING} == 'q' || %{REQUEST_URI} == '/c/p.php')",
                         "%{SERVER_NAME} -strmatch 'h*.test'", "tolower(%{REQUEST_URI}) =~ /index/", "%{REQUEST_FILENAME} -strcmatch '*P.PHP'", "-d '%{DOCUMENT_ROOT}/a'", "req('X-T') == 'y'", "%{PATH_INFO} == '/pi'",
                         "%{SCRIPT_FILENAME} =~ /a/ ", "%{DOCUMENT_ROOT} =~ /www$/", "2 -lt 10", "'b' > 'a'", "%{REMOTE_ADDR} -ipmatch '127.0.0.0/8'", "%{HTTPS} == 'on'", "%{IS_SUBREQ} == 'true'", "%{REQUEST_STATUS} == '200'",
                         "reqenv('X') == ''", "%{SERVER_PORT} == '@PORT@'", "%{THE_REQUEST} =~ /a/", "%{CONTEXT_PREFIX} == ''", "unescape('%41') == 'A'", "'x.' . 'y' == 'x.y'", "%{REQUEST_SCHEME} == 'http'", "$0 == ''")

    def ifs(self, own, depth=0):
        out = [f'<If "{self.condition()}">'] + self.values(own)
        if depth < 2 and self.some(.3):
            out += self.ifs(own, depth + 1)
        out.append('</If>')
        if self.some(.4):
            out += [f'<ElseIf "{self.condition()}">'] + self.values(own) + ['</ElseIf>']
        if self.some(.4):
            out += ['<Else>'] + self.values(own) + ['</Else>']
        return out

    def files_section(self, own, depth=0):
        name = self.r.choice(NAMES)
        head = self.pick(f'Files {name}', 'Files "*.php"', 'Files ?.php', f'Files ~ "{self.regex([chr(94) + "p", "php", "q"])}"', f'FilesMatch "{self.regex(["p", "index", "[.]php", "x.inc"])}"', 'Files .*', 'Files [!p]*', 'Files *')
        out = [f'<{head}>'] + self.values(own)
        if self.some(.2):
            out += self.ifs(own)
        if depth < 1 and self.some(.1):
            out += self.files_section(own, 1)
        if self.some(.08):
            out.append(self.pick('SetHandler none', 'AcceptPathInfo Off', 'Require all denied', 'Require all granted', 'DirectoryIndex q.php'))
        return out + [f'</{head.split()[0]}>']

    def options(self):
        return self.pick('Options FollowSymLinks', 'Options None', 'Options -FollowSymLinks', 'Options +FollowSymLinks', 'Options Indexes FollowSymLinks', 'Options All')

    def directory(self):
        regex = self.some(.25)
        if regex:
            expr = self.regex(['/www', '/a', '/www/a', 'p.php', '/c/', '/www/.*/', 'index', '/al'])
            head = self.pick(f'Directory ~ "{expr}"', f'DirectoryMatch "{expr}"')
        else:
            head = 'Directory ' + self.dirname()
        out = [f'<{head}>']
        if self.some(.35):
            out.append('AllowOverride ' + self.pick('All', 'None', 'Options', 'FileInfo Options', 'Limit', 'All', 'Options=Indexes', 'FileInfo Nonfatal=Override', 'AuthConfig Nonfatal=All', 'Indexes FileInfo Options', 'None Nonfatal=All'))
        if self.some(.08):
            out.append('AllowOverrideList ' + self.pick('php_value', 'PHP_Flag php_value', 'None', 'DirectoryIndex'))
        if self.some(.75):
            out += self.values()
        if self.some(.2):
            out += self.files_section(False)
        if self.some(.15):
            out += self.ifs(False)
        if self.some(.15):
            out.append(self.options())
        if self.some(.12):
            out.append(self.extra())
        if self.some(.08):
            out += self.limit(False)
        return out + [f'</{head.split()[0]}>']

    def limit(self, own):
        kind = self.pick('Limit GET', 'Limit POST', 'LimitExcept GET', 'LimitExcept POST OPTIONS', 'Limit GET POST')
        inner = self.pick(self.values(own), ['Require all granted'], ['Order allow,deny', 'Allow from all'], self.values(own) + ['DirectoryIndex q.php'])
        return [f'<{kind}>'] + inner + [f'</{kind.split()[0]}>']

    def location(self):
        u = self.pick('/', '/a', '/a/', '/c', '/p.php', '/a/p.php', '/al', '/a/*', '/*', '/?.php', '/a/b', '', '/p.php/pi', '/*/p.php', '/d%20e', '//a', 'a', '/a/../c', '/[ac]', '/[ac]/*')
        if self.some(.1):
            u = self.pick('/a/p.php/', '/A', '/%61', '/c/*/', '/*/*', '/[!a]*', '/a?b', '/d e', '/~al', '/al/a', '/?', '/a/b/../p.php', '/x/', '/.d', '/c/p.php/')
        head = f'Location "{u}"'
        if self.some(.3):
            expr = self.regex(['/a', '^/a/', '/p.php', 'php', '/$', '/c', '/pi', '^/$'])
            head = self.pick(f'Location ~ "{expr}"', f'LocationMatch "{expr}"')
        out = [f'<{head}>'] + self.values()
        if self.some(.15):
            out += self.ifs(False)
        if self.some(.1):
            out.append(self.pick('Require all denied', 'Require all granted', 'Require method GET', 'Require not all granted\nRequire local' if False else 'Require local', 'SetHandler application/x-httpd-php', 'DirectorySlash Off', 'DirectoryIndex q.php', self.extra()))
        return out + [f'</{head.split()[0]}>']

    def extra(self):
        return self.pick('DirectoryIndex index.php', 'DirectoryIndex q.php index.php', 'DirectoryIndex disabled', 'DirectoryIndex nope.php /a/p.php', 'DirectorySlash Off', 'FallbackResource /q.php', 'FallbackResource disabled',
                         'ErrorDocument 404 /a/p.php', 'ErrorDocument 403 /p.php', 'ErrorDocument 500 /c/p.php', 'ErrorDocument 404 "no"', 'ErrorDocument 404 http://e.test/x', 'AcceptPathInfo Off', 'AcceptPathInfo On', 'Require all granted', 'Require all denied', 'Require ip 127.0.0.1',
                         'Require method GET', 'Require method POST', 'Order allow,deny\nAllow from all', 'Order deny,allow\nDeny from all', 'Order allow,deny', 'Order deny,allow\nDeny from all\nAllow from 127.', 'SetEnv X 1', 'AddHandler application/x-httpd-php .txt', 'AddType application/x-httpd-php .txt', 'RemoveHandler .php', 'Redirect 301 /c/q.php /a/q.php', 'Redirect gone /q.php', 'RedirectMatch ^/c/(.)\\.php$ /a/$1.php',
                         'Action text/x /p.php', self.options())

    def rewrite(self, server):
        out = ['RewriteEngine ' + self.pick('On', 'On', 'On', 'off')]
        if not server and self.some(.2):
            out.append('RewriteBase ' + self.pick('/', '/a', '/c/'))
        for _ in range(self.r.randint(1, 2)):
            if self.some(.5):
                out.append(self.pick('RewriteCond %{REQUEST_FILENAME} !-f', 'RewriteCond %{REQUEST_URI} ^/a', 'RewriteCond %{QUERY_STRING} =q', 'RewriteCond %{HTTP_HOST} ^h(.)\\.test$ [NC]', 'RewriteCond %{REQUEST_FILENAME} !-d', 'RewriteCond %{REQUEST_METHOD} GET'))
            slash = '/' if server else ''
            if self.some(.1):
                out.append('RewriteOptions ' + self.pick('Inherit', 'InheritBefore', 'InheritDown', 'InheritDownBefore', 'IgnoreInherit'))
            if self.some(.25):
                out.append('RewriteRule ' + self.pick(f'^{slash}(?!php)([a-c])/(.+)\\.php$ {slash}$1/$2.php?v=1 [QSA]', f'^{slash}r(/.*)$ $1', f'^{slash}r/(.*)$ /a/$1 [C]\nRewriteRule p.php$ /c/q.php [L]', f'^{slash}r/(.*)$ - [S=1]\nRewriteRule ^{slash}r/.* /p.php', f'^{slash}x$ /c/p.php [R=302,L]', f'^{slash}al/(.*) /a/$1 [PT,L]', f'^{slash}P\\.txt$ p.php [L]', '(.*)/$ $1/q.php [L]', f'^{slash}no$ /a/ [PT]', f'^{slash}no$ /a/ [L]', f'^{slash}no$ /a/b/p.php/pi [L]', f'^{slash}x$ - [H=application/x-httpd-php]', f'^{slash}(.*)\\.txt$ $1.txt [H=application/x-httpd-php,L]', f'^{slash}nope\\.php$ - [R=404]', f'^{slash}no$ /%{{QUERY_STRING}}p.php [NC]'))
            out.append('RewriteRule ' + self.pick(f'^{slash}r/(.*)$ {self.pick("/c/", "c/", "/a/")}$1 {self.pick("", "[L]", "[PT]", "[END]", "[R]", "[R=301,L]", "[QSA,L]")}', f'^{slash}no.* /p.php [L]', f'^{slash}c/q\\.php$ - [F]', f'^{slash}c/q\\.php$ {self.pick("/a/q.php", "q.php")} [L,QSA]', 'q.php$ - [G]', f'^{slash}x$ /a/p.php?z=1 [PT,L]', '!php$ /p.php [L]', '. - [L]', f'^{slash}a/b/(.*) @ROOT@/al/$1'))
        return out

    def htaccess(self):
        out = []
        for _ in range(self.r.randint(1, 3)):
            what = self.r.random()
            if what < .5:
                out += self.values(True)
            elif what < .68:
                out += self.files_section(True)
            elif what < .8:
                out += self.ifs(True)
            elif what < .86:
                out.append(self.extra())
            elif what < .9:
                out += self.rewrite(False)
            elif what < .92:
                out += self.limit(True)
            elif what < .94:
                out += ['<IfModule mod_php.c>'] + self.values(True) + ['</IfModule>']
            elif what < .97:
                out.append(self.pick('Bogus x', '# c', 'php_admin_value user_agent x', 'Options FollowSymLinks', '<Limit GET>\nphp_value user_agent l\n</Limit>', 'AddType text/x .x', 'AllowOverride All', '<Files x>', '</Files>', 'php_value a', '<Directory />\n</Directory>', 'ServerName x', 'php_value user_agent "a\\\n b"', '<IfDefine DV>\nphp_value user_agent ${DV}\n</IfDefine>', '<Location /a>', '<IfModule nope.c>\n<Foo>\n</IfModule>', '<Else>\n</Else>', '<If "x">\n</If>', 'RewriteRule ( x', '<FilesMatch "(">\n</FilesMatch>', 'ErrorDocument 999 x', 'Require all denied'))
        return '\n'.join(out) + self.pick('\n', '')

    def wrap(self, lines):
        what = self.r.random()
        if what < .06:
            return [f'<IfModule {self.pick("mod_php.c", "php_module", "!nope.c", "nope.c")}>'] + lines + ['</IfModule>']
        if what < .1:
            return [f'<IfDefine {self.pick("DV", "!DV", "ZZ", "!ZZ")}>'] + lines + ['</IfDefine>']
        if what < .13:
            return [f'<IfVersion {self.pick(">= 2.4", "< 2.4", "~ ^2", "= 2.4.71")}>'] + lines + ['</IfVersion>']
        if what < .18:
            name = f'conf/i{len(self.files)}.conf'
            self.files[name] = '\n'.join(lines) + '\n'
            return [self.pick('Include ', 'IncludeOptional ') + self.pick(name, '@ROOT@/' + name, name.replace('.conf', '.co*'))]
        if what < .2:
            a, b = f'conf/d{len(self.files)}/b.conf', f'conf/d{len(self.files)}/a.conf'
            half = next((n for n in range(len(lines)) if n and lines[n].startswith('<') and not lines[n].startswith('</') and sum(l.startswith('<') and not l.startswith('</') for l in lines[:n]) == sum(l.startswith('</') for l in lines[:n])), len(lines))
            self.files[b], self.files[a] = '\n'.join(lines[:half]) + '\n', '\n'.join(lines[half:]) + '\n'
            self.files[a.replace('b.conf', '.hid.conf')] = 'php_value user_agent hidden\n'
            d = os.path.dirname(a)
            return [self.pick('Include ', 'IncludeOptional ') + self.pick(d, d + '/*.conf', d + '/[ab].conf', d + '/?.conf', d[:-1] + '*/*.conf' if d[-2].isalpha() else d + '/*', '@ROOT@/' + d + '/*')]
        if what < .24 and not any('$' in l for l in lines):
            name = f'M{len(self.macros)}'
            self.macros.append(name)
            body = [l.replace('user_agent', '$k') for l in lines]
            if self.some(.3):
                body = [l.replace('docref_root', '${kk}').replace('@ROOT@/www', '@{r}') for l in body]
                return [f'<Macro {name} $k ${{kk}} @{{r}}>'] + body + ['</Macro>', f'Use {name} user_agent docref_root "@ROOT@/www"', f'Use {name} error_append_string user_agent @ROOT@/al'][:self.pick(4, 5, 5) + len(body) - 2]
            return [f'<Macro {name} $k>'] + body + ['</Macro>', f'Use {name.lower()} {self.pick("user_agent", "docref_root")}']
        return lines

    def block(self, host):
        what = self.r.random()
        if what < .2:
            return self.values()
        if what < .55:
            return self.directory()
        if what < .7:
            return self.location()
        if what < .82:
            return self.files_section(False)
        if what < .9:
            return self.ifs(False)
        if what < .95:
            return [self.extra()]
        if self.some(.35):
            return self.pick(['AliasMatch "^/r/(?<n>[a-z]+)\\.php$" "@ROOT@/www/$1.php"'], ['AliasMatch (?i)^/AL(.*)$ @ROOT@/www/a$1'], ['AliasMatch ^/(no|x)$ @ROOT@/www/a/p.php'], ['ScriptAliasMatch ^/sc/([^/]*)$ @ROOT@/www/c/$1'], ['Alias /r "@ROOT@/www/d e"'], ['Alias "/d e" @ROOT@/www/a'], ['Alias /c/p.php @ROOT@/real/p.php'], ['Alias /a/b/ @ROOT@/www/c/'], ['AliasMatch ^/a/(\\w)\\.php$ @ROOT@/www/c/&'], ['UserDir public'], ['UserDir enabled al', 'UserDir disabled', 'UserDir @ROOT@/home/*/pub'], ['UserDir @ROOT@/home/*/pub @ROOT@/home'], ['UserDir disabled bo al'], ['FallbackResource /q.php'], ['<Location "/no">', 'SetHandler application/x-httpd-php', 'ErrorDocument 404 /p.php', '</Location>'], ['AddHandler application/x-httpd-php .TXT'], ['VirtualDocumentRoot @ROOT@/www/%1'], ['VirtualDocumentRoot @ROOT@/www/%-2'], ['<Proxy *>', 'php_value user_agent px', '</Proxy>'])
        return self.pick(['Alias /al @ROOT@/al'], ['Alias /al/ @ROOT@/al/'], ['AliasMatch ^/al/(.*) @ROOT@/www/c/$1'], ['ScriptAlias /sc @ROOT@/www/a'], ['Redirect /rd /a'], ['Redirect permanent /rd/ http://e.test/x/'], ['RedirectMatch 303 ^/rm(.*) /c$1'],
                         ['AccessFileName .ht2 .htaccess'], ['AccessFileName .ht2'], ['UserDir @ROOT@/home/*/pub'], ['UserDir @ROOT@/home'], ['UserDir disabled al', 'UserDir @ROOT@/home/*/pub'], ['MergeSlashes Off'], ['AllowEncodedSlashes On'], ['AllowEncodedSlashes NoDecode'], self.rewrite(True), self.rewrite(True))

    def broken(self):
        return self.pick('<Directory>', '</Directory>', '<Files "(">\n</Files>', '<FilesMatch "(">\n</FilesMatch>', 'php_value a', 'php_flag a b c', 'Bogus', '<Location /a>\n<Directory /b>\n</Directory>\n</Location>', '<If "%{X} == 1">\n</If>', '<Else>\n</Else>', 'AllowOverride All', 'Options +Foo', 'Options Indexes +All',
                         'Include nope.conf', 'Include nope/*.conf', 'DocumentRoot /nope', 'Define a:b', '<IfVersion >= x>\n</IfVersion>', 'Use Nope', '<Macro>\n</Macro>', '<VirtualHost *:99999>\n</VirtualHost>', 'ErrorDocument 999 x', 'ErrorDocument abc x', 'DirectorySlash maybe', 'AcceptPathInfo x', 'Redirect foo', 'Redirect /a b', 'Alias /x', 'AliasMatch ( /x', 'RewriteRule ( x',
                         'RewriteRule', 'ServerName', 'ServerRoot /nope/x', '<Directory /x>\nListen 1\n</Directory>', '<Directory /x>\nAllowOverride Foo\n</Directory>', '<Directory /x>\n<Files a>\n</Directory>\n</Files>', '<VirtualHost *:80>\n<VirtualHost *:80>\n</VirtualHost>\n</VirtualHost>', '<Directory /x>\n<If "true">\n<Directory /y>\n</Directory>\n</If>\n</Directory>', '<Limit GET>\n</Limit>', '<Directory /x>\n<Limit GET>\n<If "true">\n</If>\n</Limit>\n</Directory>',
                         '<Files a>\n<Location /b>\n</Location>\n</Files>', '<IfModule mod_php.c>\n<Directory /x>\n</IfModule>', '<IfModule x\n</IfModule>', '<Directory /x', '<Directory /x>\nServerAlias a\n</Directory>', '<Directory /x>\nAccessFileName a\n</Directory>', '<ElseIf "true">\n</ElseIf>', '<If "true">\n</If>\n<Else>\n</Else>\n<Else>\n</Else>', '<If "(true">\n</If>', '<If "foo(%{QUERY_STRING})">\n</If>', '<DirectoryMatch>\n</DirectoryMatch>', '<Location ~ >\n</Location>', '<Directory ~ >\n</Directory>',
                         'DirectoryIndex', 'FallbackResource', 'FallbackResource a b c', 'AddHandler x', 'Require', 'Require foo', 'Require all foo', 'Order x', 'Allow all', 'SetHandler', 'UserDir enabled', 'AccessFileName', 'LoadModule x', 'php_value "" x', 'Define', 'UnDefine a b', '<Macro A $x $x>\n</Macro>', '<Macro A $x>\nphp_value user_agent $x\n</Macro>\nUse A', 'Timeout abc', 'KeepAlive maybe', 'ServerSignature', 'Options', 'RewriteEngine maybe', 'RewriteCond a', '<VirtualHost>\n</VirtualHost>', '<Files>\n</Files>', '<Files a b>\n</Files>', '<If true>\nphp_value user_agent i\n</If>', '<If %{QUERY_STRING} == "q">\nphp_value user_agent i\n</If>')

    def layout(self):
        conf = ['Define DV dv', 'DocumentRoot @ROOT@/www']
        if self.some(.8):
            conf.append('DirectoryIndex index.php')
        if self.some(.7):
            conf += ['<Directory ' + self.pick('@ROOT@', '@ROOT@/www', '/') + '>', '  AllowOverride ' + self.pick('All', 'All', 'Options FileInfo Limit', 'None', 'Options'), '</Directory>']
        hosts = []
        for _ in range(self.r.randint(3, 9)):
            conf += self.wrap(self.block(False))
        if self.some(.4):
            for at in range(self.r.randint(1, 3)):
                address = self.pick('*:@PORT@', '*:@PORT@', '*:@PORT@', '127.0.0.1:@PORT@', '*', '_default_:@PORT@', '*:@PORT2@', '127.0.0.1', '*:@PORT@ *:@PORT2@')
                names = self.pick([f'ServerName h{at}.test'], [f'ServerName h{at}.test', 'ServerAlias *.w.test a?.test'], [f'ServerName H{at}.TEST:81'], [f'ServerAlias h{at}.test'], [f'ServerName http://h{at}.test', 'ServerAlias h1.test'], [f'ServerName h{at}.test', 'ServerAlias *.test'], ['ServerAlias H?.TEST *.w.test', f'ServerName z{at}.test'], ['ServerAlias *'], [f'ServerName *.h{at}.test', f'ServerAlias h{at}.* [a-z]b.test'])
                body = []
                for _ in range(self.r.randint(1, 4)):
                    body += self.block(True)
                root = self.pick(['DocumentRoot @ROOT@/www'], [], ['DocumentRoot @ROOT@/www/a'], ['DocumentRoot @ROOT@/al'])
                conf += [f'<VirtualHost {address}>'] + names + root + body + ['</VirtualHost>']
                hosts.append(f'h{at}.test')
        if self.some(.12):
            conf.insert(self.r.randint(1, len(conf)), self.broken())
        for d in DIRS:
            for n in self.r.sample(NAMES, 3) + ['p.php']:
                self.files[f'www{d}/{n}'] = '@PROBE@'
            if self.some(.35):
                self.files[f'www{d}/{self.pick(".htaccess", ".htaccess", ".ht2")}'] = self.htaccess()
        for f in ['al/p.php', 'al/a/p.php', 'home/al/pub/p.php', 'home/bo/p.php', 'real/p.php', 'www/d e/p.php', 'www/c/index.php']:
            self.files[f] = '@PROBE@'
        if self.some(.15):
            self.files['.htaccess'] = self.htaccess()
        if self.some(.3):
            self.links['www/l'] = '@ROOT@/real'
            self.links['www/f.php'] = '@ROOT@/real/p.php'
            if self.some(.3):
                self.links['www/c/up'] = '@ROOT@/www/a'
                self.links['www/nope.php'] = '@ROOT@/gone'
        urls = ['/', '/p.php', '/q.php', '/a', '/a/', '/a/p.php', '/a/p.php?q', '/a/b/p.php', '/c/', '/c/p.php', '/c/q.php', '/p.php/pi', '/a/p.php/', '/al/p.php', '/al', '/al/a/p.php', '/nope.php', '/a/nope/x.php', '/r/p.php', '/r/q.php?q', '/no', '/x', '/rd/p.php', '/rm/p.php', '/~al/p.php', '/~bo/p.php', '/~al', '/l/p.php', '/l', '/f.php',
                '/P.txt', '/a/P.txt', '/a/P.txt/x', '/x.inc.php', '/.d/p.php', '/sc/p.php', '/d%20e/p.php', '/d%20e', '/a%2fp.php', '//a//p.php', '/a/./p.php', '/c/../a/p.php', '/%61/p.php', '/a/%2e%2e/p.php', '/../p.php', '/a/..', '/a/.', '/.htaccess', '/a/.htaccess', '/c/index.php', '/index.php', '/index.php/pi', '/a/b', '/a/b/', '/?q', '/a/?q=1', '/a?q', '/a/b?x=%20y', '/a/b/p.php/pi/x', '/c/index.php/', '/al/', '/r/a.php', '/r/b/p.php', '/r/', '/AL/p.php', '/sc/', '/l/../p.php', '/l/', '/f.php/x', '/d%20e/', '/%7Eal/p.php', '/a/b/../p.php', '/a%2f', '/P.TXT', '/p.php?q', '/c/p.php?q', '/x?q', '/no?q', '/c', '/%70%2ephp', '/a;x/p.php', '/p.php;x', '/a/p%2ephp']
        requests = []
        for u in self.r.sample(urls, 18):
            q = {'url': u}
            if hosts and self.some(.6):
                q['host'] = self.pick(*hosts, *hosts, 'h2.test', 'z1.test', 'q.h1.test', 'h1.example', 'x.w.test', 'ab.test', 'H0.TEST', 'h1.test.', 'zz', hosts[0] + ':@PORT@', hosts[0] + ':99')
            if self.some(.1):
                q['port'] = 2
            if self.some(.08):
                q['headers'] = {'X-T': 'y'}
            if self.some(.03):
                q['host'] = self.pick('b..test', 'b.test:', 'b test', ':99999', '1.2.3', '1.2.3.4', 'a.1', '[::1]', '[::1', 'a_b', 'a/b', '-a', '.a', 'a.', 'a%41', 'a:0', 'a:65536', '')
            if self.some(.03):
                q['url'] = self.pick('/a"b', '/a<b', '/a\\b', '/a^b', '/a{b', '/a|b', '/a`b', '/\x80', '/a%zz', '/a%', '/a%00', '/a#b', 'http://h1.test/p.php', 'http://h1.test', '*', 'p.php', '/a?b#c', '/a;b/p.php', '/a%3fb', '/%2e%2e/p.php', '/a//', '/a%2f/p.php', '/p.php%2f', '/a%5cb')
            if self.some(.03):
                q['method'] = self.pick('HEAD', 'POST', 'FOO', 'OPTIONS')
                if q['method'] == 'HEAD':
                    del q['method']
            requests.append(q)
        case = {'desc': 'random', 'requests': requests}
        if self.links:
            case['symlinks'] = self.links
        return {'name': f'd-{self.number}', 'case': case, 'conf': '\n'.join(conf) + '\n', 'files': self.files}


def record(layouts, port, out):
    """Asks the real server; one line per layout."""
    work = tempfile.mkdtemp(prefix='httpd-layouts-')
    os.environ['CONF_PORT'] = str(port)
    os.environ['CASES_BASE'] = os.path.join(tempfile.gettempdir(), 'outlive', f'd{os.getpid()}')
    sys.path.insert(0, os.path.join(ROOT, 'tests', 'conformance', 'httpd'))
    import harness
    os.makedirs(harness.RUN, exist_ok=True)
    done = requests = 0
    try:
        with open(out, 'w') as target:
            for layout in layouts:
                home = os.path.join(work, layout['name'])
                for name, text in layout['files'].items():
                    path = os.path.join(home, 'files', name)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    open(path, 'w').write(text)
                open(os.path.join(home, 'httpd.conf'), 'w').write(layout['conf'])
                case = dict(layout['case'], _dir=home)
                root = os.path.join(harness.RUN, layout['name'])
                try:
                    layout['expected'] = harness.run(case, root)
                finally:
                    shutil.rmtree(root, ignore_errors=True)
                    shutil.rmtree(home, ignore_errors=True)
                # A server that did not answer in time, on a machine with other work, has said nothing.
                answers = layout['expected'].get('requests', [])
                answers[:] = [answer for answer in answers if 'error' not in answer]
                done += 1
                requests += len(layout['expected'].get('requests', []))
                target.write(json.dumps(layout) + '\n')
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(harness.BASE, ignore_errors=True)
    return done, requests


def arguments(port, count):
    """What every maker of layouts can be told."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--count', type=int, default=count)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    parser.add_argument('--port', type=int, default=port)
    parser.add_argument('--out')
    parser.add_argument('--keep')
    parser.add_argument('--record-only', action='store_true')
    return parser


def compare(kind, layouts, args):
    """Records what the server answers, and has the resolver say the same: the exit status."""
    out = args.out or os.path.join(tempfile.gettempdir(), f'{kind}-{args.seed}.jsonl')
    done, requests = record(layouts, args.port, out)
    print(f'{kind}, seed {args.seed}: {done} layouts, {requests} requests recorded in {out}', flush=True)
    if args.record_only:
        return 0
    env = dict(os.environ, OUTLIVE_HTTPD_LAYOUTS=out, OUTLIVE_HTTPD_DIFFERENT=args.keep or '')
    return subprocess.run(['cargo', 'test', '-q', '--test', 'httpd_differential'], cwd=ROOT, env=env).returncode


def main():
    args = arguments(18300, 200).parse_args()
    rng = random.Random(args.seed)
    layouts = [Maker(rng, f'{args.seed}-{at}').layout() for at in range(args.count)]
    return compare('httpd', layouts, args)


if __name__ == '__main__':
    sys.exit(main())
