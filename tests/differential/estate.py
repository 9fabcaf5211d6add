#!/usr/bin/env python3
"""Trees in the manner of those that people have: what a real apache2 + mod_php answers, against what the resolver says.

  estate.py [KIND] [--count N] [--seed S] [--port P] [--keep FILE]

KIND: headers, places, options, limit, env, auth, rewrite, front, or all. Each layout has several hosts, each with an .htaccess of its own, so that one
server answers for many of them. As httpd.py, whose harness it uses, in all else.
"""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import httpd

AUTH = [f'LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so' for name in ('authn_core', 'authn_file', 'auth_basic', 'authz_user', 'autoindex')]
HOSTS = 8
# bob's is pw.
PASSWORD = '$apr1$abcdefgh$5VEbMkemELfbhC5ck.U.z1\n'


class Kind:
    """Makes the .htaccess of one kind, the files beside it, and the requests."""

    def __init__(self, rng):
        self.r = rng

    def pick(self, *items):
        return self.r.choice(items)

    def some(self, chance):
        return self.r.random() < chance

    def server(self, root):
        """Lines of the virtual host."""
        return []

    def many(self, low, high, make):
        return [make() for _ in range(self.r.randint(low, high))]

    files = {'index.php': '@PROBE@', 'sub/index.php': '@PROBE@', 'sub/p.php': '@PROBE@', 'p.php': '@PROBE@', 'a.txt': 'x', 'bare/a.txt': 'x'}
    urls = ['/', '/p.php', '/sub/', '/sub/p.php', '/a.txt', '/bare/', '/none', '/p.php/x', '/index.php']

    def requests(self, host):
        for url in self.r.sample(self.urls, min(5, len(self.urls))):
            yield self.request(host, url)

    def request(self, host, url):
        asked = {'url': url, 'host': host}
        if self.some(.3):
            asked['method'] = self.pick('POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'FOO', 'BREW')
        return asked


class Options(Kind):
    def line(self):
        word = lambda: self.pick('Indexes', 'FollowSymLinks', 'MultiViews', 'ExecCGI', 'All', 'None', 'Includes', 'SymLinksIfOwnerMatch', 'indexes', 'ALL', 'Bogus')
        sign = self.pick(('',), ('+', '-'), ('', '+', '-'))
        words = [self.pick(*sign) + word() for _ in range(self.r.randint(1, 4))]
        if self.some(.5):
            words = [self.pick('All', 'None', 'Indexes')] + [self.pick('+', '-') + self.pick('Indexes', 'FollowSymLinks', 'MultiViews') for _ in words]
        return 'Options ' + ' '.join(words)

    def htaccess(self):
        return self.many(1, 2, self.line)

    def more(self):
        return {'sub/.htaccess': self.line() + '\n', 'bare/.htaccess': self.line() + '\n'} if self.some(.5) else {}

    urls = ['/', '/bare/', '/sub/', '/bare', '/p.php']

    def request(self, host, url):
        return {'url': url, 'host': host}


class Limit(Kind):
    def methods(self):
        return ' '.join(self.r.sample(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD', 'get', 'FOO', 'BREW', 'PROPFIND'][:self.pick(5, 5, 6, 7, 11)], self.r.randint(1, 3)))

    def rule(self):
        return self.pick('Require all denied', 'Require all granted', 'Require method GET', 'Require ip 127.0.0.1', 'Require ip 10.0.0.0/8', 'Deny from all', 'Allow from all', 'Order allow,deny',
                         'Order deny,allow', 'Order Allow,Deny\nAllow from all', 'Order Deny,Allow\nDeny from all', 'Deny from 127.0.0.1', 'Allow from 127.', 'Satisfy any', 'Satisfy all', 'Require valid-user',
                         'php_value user_agent limited', '<RequireAll>\nRequire all granted\nRequire not ip 10.1.1.1\n</RequireAll>', '<RequireAny>\nRequire all denied\nRequire method POST\n</RequireAny>', '<RequireNone>\nRequire all denied\n</RequireNone>',
                         '<IfModule mod_rewrite.c>\nRequire all denied\n</IfModule>', 'AuthMerging And', 'AuthMerging Or')

    def block(self, depth=0):
        if self.some(.4 if depth == 0 else .7):
            return self.rule()
        name = self.pick('Limit', 'LimitExcept', 'LimitExcept')
        if depth == 0 and self.some(.3):
            name, args = self.pick(('Files', '*.php'), ('FilesMatch', '"p"'), ('If', '"true"'), ('RequireAll', ''), ('RequireAny', ''))
        else:
            args = self.methods()
        inner = '\n'.join(self.block(depth + 1) for _ in range(self.r.randint(1, 2)))
        return f'<{name}{" " if args else ""}{args}>\n{inner}\n</{name}>'

    def htaccess(self):
        lines = self.many(1, 3, self.block)
        if self.some(.3):
            lines += ['AuthType Basic', 'AuthName x', 'AuthUserFile /dev/null']
        return lines

    def more(self):
        return {'sub/.htaccess': self.block() + '\n'} if self.some(.4) else {}


class Env(Kind):
    def setter(self):
        name = self.pick('bad', 'ok', 'BAD', 'x')
        value = self.pick(name, name, '!' + name, name + '=1', name + '=$1', name + '=', 'bad ok=2', f'"{name}=a b"')
        what = self.pick('User-Agent', 'Request_URI', 'request_method', 'Remote_Addr', 'Referer', '^X-.*', 'ok', 'bad', 'Host', 'Server_Addr', 'Request_Protocol', 'Accept')
        regex = self.pick('.*', 'evil', '^evil', '(e.)il', '"p\\.php"', '^/sub', '127', 'GET', '^$', '1', 'HTTP/1.1', '"^.*(bot|crawl).*$"', '\\.php$')
        return self.pick(f'SetEnvIf {what} {regex} {value}', f'SetEnvIf {what} {regex} {value}', f'SetEnvIfNoCase {what} {regex} {value}', f'BrowserMatch {regex} {value}',
                         f'BrowserMatchNoCase EVIL {value}', f'SetEnvIfExpr "%{{QUERY_STRING}} =~ /q=(.)/" {value}', f'SetEnvIfExpr "-n reqenv(\'ok\')" {value}', f'SetEnv {name} 1', f'UnsetEnv {name}', f'RewriteEngine on\nRewriteRule p - [E={name}:1]')

    def user(self):
        name = self.pick('bad', 'ok', 'x')
        return self.pick(f'Order allow,deny\nAllow from all\nDeny from env={name}', f'Order deny,allow\nDeny from all\nAllow from env={name}', f'Deny from env=!{name}', f'Require env {name}', f'<RequireAll>\nRequire all granted\nRequire not env {name}\n</RequireAll>',
                         f'Require expr "-n env(\'{name}\')"', f'<If "reqenv(\'{name}\') != \'\'">\nphp_value user_agent {name}\n</If>', f'RewriteEngine on\nRewriteCond %{{ENV:{name}}} ^1?$\nRewriteRule ^none$ p.php', f'RewriteEngine on\nRewriteCond %{{ENV:{name}}} !=""\nRewriteRule ^a - [F]',
                         f'RewriteEngine on\nRewriteRule ^none$ p.php [E={name}:y]\nRewriteCond %{{ENV:REDIRECT_{name}}} .\nRewriteRule p - [F]')

    def htaccess(self):
        return self.many(1, 3, self.setter) + self.many(1, 2, self.user)

    def more(self):
        return {'sub/.htaccess': self.setter() + '\n'} if self.some(.3) else {}

    def request(self, host, url):
        asked = {'url': url + self.pick('', '', '?q=1'), 'host': host, 'headers': {}}
        for name, value in (('User-Agent', self.pick('evil bot', 'Mozilla', '')), ('Referer', 'http://evil/'), ('X-Y', 'evil')):
            if self.some(.5):
                asked['headers'][name] = value
        return asked


class Auth(Kind):
    def htaccess(self):
        lines = self.r.sample(['AuthType Basic', 'AuthName "x y"', 'AuthUserFile /dev/null', 'AuthType None', 'AuthType Digest', 'AuthBasicProvider file'], self.r.randint(0, 4))
        if self.some(.6):
            lines = ['AuthType Basic', 'AuthName x', 'AuthUserFile @ROOT@/users']
        lines += self.many(1, 3, lambda: self.pick('Require valid-user', 'Require user bob', 'Require all granted', 'Require all denied', 'Require ip 127.0.0.1', 'Require ip 10', 'Satisfy any', 'Satisfy all', 'Deny from all', 'Order deny,allow\nDeny from all\nAllow from 127.0.0.1',
                                                   '<RequireAny>\nRequire ip 10.0.0.1\nRequire valid-user\n</RequireAny>', '<RequireAll>\nRequire ip 127.0.0.1\nRequire valid-user\n</RequireAll>', '<RequireAll>\nRequire valid-user\nRequire not ip 127.0.0.1\n</RequireAll>',
                                                   '<Files p.php>\nRequire valid-user\n</Files>', '<Files p.php>\nRequire all granted\n</Files>', '<If "%{REQUEST_URI} =~ /p/">\nRequire all granted\n</If>', '<LimitExcept GET>\nRequire valid-user\n</LimitExcept>', 'ErrorDocument 401 /p.php', 'ErrorDocument 401 "no"'))
        return lines

    def more(self):
        return {'sub/.htaccess': self.pick('Require all granted', 'Satisfy any', 'Require valid-user', 'AuthType None\nRequire all granted', 'AuthMerging And\nRequire ip 127.0.0.1') + '\n'} if self.some(.5) else {}


class Rewrite(Kind):
    files = {**Kind.files, 'app/index.php': '@PROBE@', 'public/index.php': '@PROBE@', 'public/a.css': 'x', 'shop/x.php': '@PROBE@', 'index.html': 'x'}
    urls = ['/', '/p.php', '/p.php?a=b', '/sub/', '/sub/p.php', '/a.txt', '/bare/', '/bare', '/none', '/none/', '/none?q=1', '/shop/list', '/shop/', '/index.php/x/y', '/sub/none', '/index.php', '/a%20b', '/none.php', '/public/', '/app', '/x/y/z.html', '/sub']

    def cond(self):
        test = self.pick('%{REQUEST_FILENAME} !-f', '%{REQUEST_FILENAME} !-d', '%{REQUEST_FILENAME} -f', '%{REQUEST_FILENAME} -d', '%{REQUEST_URI} !^/p\\.php', '%{REQUEST_URI} ^/(.*)/(.*)$', '%{QUERY_STRING} ^$', '%{QUERY_STRING} q=(.*)', '%{THE_REQUEST} ^[A-Z]{3,9}\\ /none',
                         '%{THE_REQUEST} "^GET /sub"', '%{THE_REQUEST} \\s/+(.*?)/?(?:\\?|\\s)', '%{ENV:REDIRECT_STATUS} ^$', '%{ENV:REDIRECT_STATUS} =200', '%{ENV:REDIRECT_STATUS} !=""', '%{ENV:REDIRECT_STATUS} ^[^2]', '%{ENV:v} =1', '%{ENV:REDIRECT_v} .', 'expr "%{REQUEST_URI} =~ m#^/(s)#"', 'expr "-f %{REQUEST_FILENAME}"', '%{HTTP_HOST} ^h',
                         '%{REQUEST_METHOD} =GET', '%{HTTPS} off', '%{HTTPS} !=on', '%{IS_SUBREQ} false', '%{DOCUMENT_ROOT}/index.php -f', '%{DOCUMENT_ROOT}%{REQUEST_URI} !-f', '%{REQUEST_URI} <"/none"', '%{REQUEST_URI} >=/none', '%{QUERY_STRING} -lt5', '%{QUERY_STRING} -eq0', '%{REQUEST_FILENAME} -s', '%{REQUEST_URI} -U', '%{REQUEST_FILENAME} -F',
                         '$1 !^(index\\.php|a\\.txt)', '$0#%{REQUEST_URI} ([^#]*)#(.*)\\1$', '%{REQUEST_FILENAME}.php -f', '%{request_uri} p', '%{LA-U:REQUEST_FILENAME} -f', '%{REQUEST_FILENAME} -x')
        return 'RewriteCond ' + test + self.pick('', '', '', ' [NC]', ' [OR]', ' [OR]', ' [NC,OR]')

    def rule(self):
        pattern = self.pick('^', '.', '^(.*)$', '^(.*)$', '^none$', '^index\\.php$', '!\\.php$', '^sub/(.*)$', '^shop/(.+)$', '^([^/]+)/?$', '\\.php$', '^$', '^(.+)/$', '^p\\.php', '^a\\ b$', '"^a b$"', '^/?none', '(.*)', '^public', '^(?!public)', '^(.*)\\.html$')
        to = self.pick('index.php', '/index.php', '/index.php', '-', '-', 'p.php', '/p.php?x=$1', 'index.php?q=$1', 'index.php/$1', 'sub/p.php', 'public/$1', '/public/$1', 'http://%{HTTP_HOST}/p.php', 'http://other.test/$1', '/$1', '$1.php', '%{REQUEST_URI}', '%{REQUEST_URI}?', '%{REQUEST_URI}/', '/p.php?%{QUERY_STRING}', '%{DOCUMENT_ROOT}/p.php', '%1', '/%1', 'none', '/gone/x', 'a%20b')
        flags = self.pick('', '', '[L]', '[L]', '[QSA,L]', '[L,QSA]', '[END]', '[R=301,L]', '[R]', '[R=404]', '[F]', '[G,L]', '[NS]', '[F,NS]', '[PT]', '[C]', '[S=1]', '[E=v:1]', '[E=v:1,L]', '[E=!v]', '[NC,L]', '[N]', '[N=5]', '[QSD,L]', '[NE,R,L]', '[H=application/x-httpd-php]', '[T=text/plain]', '[DPI,L]', '[B,L]', '[L,E=REDIRECT_v:1]', '[CO=a:b:c,L]', '[skip=2]', '[last]')
        return f'RewriteRule {pattern} {to} {flags}'.rstrip()

    def htaccess(self):
        lines = ['RewriteEngine On']
        if self.some(.25):
            lines.append(self.pick('RewriteBase /', 'RewriteBase /sub/', 'RewriteBase /sub', 'RewriteBase /gone/', 'RewriteBase x', 'RewriteBase ""', 'RewriteBase http://h/'))
        if self.some(.15):
            lines.append('RewriteOptions ' + self.pick('Inherit', 'InheritBefore', 'AllowNoSlash', 'MergeBase', 'InheritDown', 'IgnoreInherit', 'Bogus', 'MaxRedirects=5', 'AllowAnyURI'))
        if self.some(.3):
            lines.append('DirectoryIndex ' + self.pick('index.php', 'index.html index.php', 'p.php', '/p.php', 'none.php /index.php', 'disabled'))
        for _ in range(self.r.randint(1, 3)):
            lines += self.many(0, 3, self.cond) + [self.rule()]
        return lines

    def more(self):
        return {self.pick('sub', 'sub', 'public', 'bare') + '/.htaccess': '\n'.join(self.htaccess()) + '\n'} if self.some(.35) else {}

    def request(self, host, url):
        return {'url': url, 'host': host}


class Front(Rewrite):
    """The rule sets that come with what people install, and what they add to them."""

    SETS = ['RewriteEngine On\nRewriteBase /\nRewriteRule ^index\\.php$ - [L]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteRule . /index.php [L]',
            'RewriteEngine On\nRewriteCond %{HTTP:Authorization} .\nRewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteCond %{REQUEST_URI} (.+)/$\nRewriteRule ^ %1 [L,R=301]\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ index.php [L]',
            'DirectoryIndex index.php\nRewriteEngine On\nRewriteCond %{REQUEST_URI}::$0 ^(/.+)/(.*)::\\2$\nRewriteRule .* - [E=BASE:%1]\nRewriteCond %{HTTP:Authorization} .+\nRewriteRule ^ - [E=HTTP_AUTHORIZATION:%0]\nRewriteCond %{ENV:REDIRECT_STATUS} =""\nRewriteRule ^index\\.php(?:/(.*)|$) %{ENV:BASE}/$1 [R=301,L]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ %{ENV:BASE}/index.php [L]',
            'RewriteEngine on\nRewriteRule ^(core|vendor)/.*\\.php$ - [F]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteCond %{REQUEST_URI} !=/favicon.ico\nRewriteRule ^ index.php [L]\nRewriteCond %{REQUEST_URI} /core/([^/]*\\.php)$\nRewriteRule "^.+/.*\\.php$" - [F]',
            'RewriteEngine On\nRewriteRule ^(.*)$ public/$1 [L]', 'RewriteEngine on\nRewriteRule ^$ public/ [L]\nRewriteRule (.*) public/$1 [L]',
            'RewriteEngine On\nRewriteCond %{REQUEST_URI} !^/public/\nRewriteRule ^(.*)$ /public/$1 [L,QSA]',
            'RewriteEngine On\nRewriteCond %{REQUEST_URI} ^(/sub)?/index.php [NC]\nRewriteRule .* - [F]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ index.php?route=$1 [L,QSA]',
            'RewriteEngine On\nRewriteCond %{THE_REQUEST} ^[A-Z]{3,9}\\ /index\\.php\\ HTTP/\nRewriteRule ^index\\.php$ http://%{HTTP_HOST}/ [R=301,L]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteRule ^(.*)$ /index.php?/$1 [L]',
            'RewriteEngine On\nRewriteCond %{HTTPS} off\nRewriteCond %{HTTP:X-Forwarded-Proto} !https\nRewriteRule ^(.*)$ https://%{HTTP_HOST}%{REQUEST_URI} [L,R=301]',
            'RewriteEngine On\nRewriteCond %{HTTP_HOST} !^www\\. [NC]\nRewriteCond %{HTTP_HOST} ^(.*)$\nRewriteRule (.*) http://www.%1/$1 [R=301,L]',
            'RewriteEngine On\nRewriteBase /\nRewriteRule ^index\\.php$ - [L]\nRewriteRule ^([_0-9a-zA-Z-]+/)?wp-admin$ $1wp-admin/ [R=301,L]\nRewriteCond %{REQUEST_FILENAME} -f [OR]\nRewriteCond %{REQUEST_FILENAME} -d\nRewriteRule ^ - [L]\nRewriteRule ^([_0-9a-zA-Z-]+/)?(wp-(content|admin|includes).*) $2 [L]\nRewriteRule ^([_0-9a-zA-Z-]+/)?(.*\\.php)$ $2 [L]\nRewriteRule . index.php [L]',
            'FallbackResource /index.php', 'DirectoryIndex p.php\nFallbackResource index.php', 'FallbackResource /p.php\nDirectoryIndex disabled',
            'RewriteEngine On\nRewriteCond %{DOCUMENT_ROOT}/cache%{REQUEST_URI}index.html -f\nRewriteRule ^(.*)$ /cache/$1index.html [L]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . index.php',
            'RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^([^.]+)$ $1.php [NC,L]', 'RewriteEngine On\nRewriteCond %{REQUEST_FILENAME}.php -f\nRewriteRule ^(.*?)/?$ $1.php [L]',
            'Options -MultiViews -Indexes\nRewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ index.php [QSA,L]',
            'RewriteEngine On\nRewriteRule ^(.*)$ %{REQUEST_URI}?x=1 [QSA]', 'ErrorDocument 404 /index.php\nErrorDocument 403 /p.php', '<FilesMatch "\\.(css|txt)$">\nRequire all denied\n</FilesMatch>\n<Files "index.php">\nphp_value user_agent front\n</Files>']

    def htaccess(self):
        own = [self.r.choice(self.SETS)]
        if self.some(.5):
            own.append(self.pick('php_value user_agent x', 'DirectorySlash Off', 'Options -Indexes', 'Options +Indexes', 'DirectoryIndex index.html index.php', 'DirectoryIndex none.php /p.php', 'ErrorDocument 404 /p.php', 'ErrorDocument 403 /index.php', 'ErrorDocument 999 /x', 'ErrorDocument 404 none', 'AcceptPathInfo Off', 'AcceptPathInfo On', '<Files p.php>\nSetHandler default-handler\n</Files>',
                                 '<Files "*.txt">\nSetHandler application/x-httpd-php\n</Files>', 'php_flag engine off', 'AddHandler application/x-httpd-php .txt', 'RemoveHandler .php', 'SetHandler none', 'ForceType text/plain', 'AddType application/x-httpd-php .html', self.r.choice(self.SETS)))
        self.r.shuffle(own)
        return own

    def more(self):
        return {self.pick('sub', 'public', 'bare') + '/.htaccess': self.pick('RewriteEngine Off', 'RewriteEngine On\nRewriteRule ^ index.php', 'Options -Indexes', 'RewriteEngine On', self.r.choice(self.SETS)) + '\n'} if self.some(.4) else {}


class Places(Front):
    """Lines of all kinds in all places: a host, directories, locations, files, conditions, methods, nested access files."""

    files = {**Kind.files, 'z.php': '@PROBE@', 'x.html': 'x', 'shop/index.php': '@PROBE@', 'shop/i.inc': '@PROBE@', 'm.var': 'URI: p.php\nContent-Type: text/html\n', 'shop/sub/index.php': '@PROBE@'}
    urls = ['/', '/p.php', '/p.php?q=1', '/sub/', '/sub/p.php', '/a.txt', '/bare/', '/none', '/none?q=1', '/p.php/x', '/index.php', '/z', '/x', '/shop', '/shop/', '/shop/i.inc', '/shop/none', '/m.var', '/shop/sub/', '/shop/sub', '/al/p.php', '/al/']

    def line(self):
        text = self.pick('%{REQUEST_URI}', '%{HTTP_HOST}', '%{req:X-Y}', '%{tolower:%{req:X-Y}}', '%{QUERY_STRING}', '%{reqenv:k}', '%{escape:%{REQUEST_URI}}')
        user = self.pick('AuthType Basic\nAuthName x\nAuthUserFile @ROOT@/users\n', 'AuthType Basic\nAuthName x\nAuthUserFile users\n', 'AuthType Basic\nAuthName x\nAuthUserFile gone\n', 'AuthType Basic\nAuthName x\n', 'AuthType Basic\n', 'AuthType None\n', '')
        return self.pick(f'ErrorDocument 404 /p.php?u={text}', f'ErrorDocument 403 "/p.php/{text}"', 'ErrorDocument 401 /index.php', 'ErrorDocument 500 /p.php', 'ErrorDocument 404 "gone"', 'ErrorDocument 403 http://e.test/x', f'{user}Require valid-user', f'{user}Require user bob', f'{user}Require user eve', f'{user}Require valid-user\nSatisfy any\nDeny from all',
                         'Require all denied', 'Require all granted', 'Require method GET POST', 'Require ip 127.0.0.1', 'Order deny,allow\nDeny from all', 'Order allow,deny\nAllow from all', 'Require expr "%{REQUEST_STATUS} == \'200\'"', 'Require expr "-F \'%{REQUEST_FILENAME}\'"', 'AuthMerging And', 'php_value user_agent a', 'php_value user_agent b', 'php_value docref_root c', 'php_flag error_append_string on',
                         'SetHandler application/x-httpd-php', 'SetHandler none', 'SetHandler "%{req:H}"', 'ForceType text/plain', 'AddType application/x-httpd-php .inc', 'AddHandler type-map .var', 'AddType text/html .php', 'Options +MultiViews', 'Options -Indexes', 'Options -FollowSymLinks', 'DirectoryIndex p.php', 'DirectoryIndex z', 'DirectoryIndex /p.php', 'DirectorySlash Off',
                         'FallbackResource /p.php', 'FallbackResource disabled', 'AcceptPathInfo Off', 'SetEnvIf X-Y (.*) k=$1', 'SetEnvIfExpr "%{REQUEST_URI} =~ /(p)/" k=$1', 'SetEnv k 1', 'RewriteEngine on\nRewriteRule ^none$ p.php', 'RewriteEngine on\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . index.php [L]', 'RewriteEngine on\nRewriteCond %{REMOTE_USER} =bob\nRewriteRule ^p\\.php$ sub/p.php',
                         'RewriteEngine on\nRewriteCond expr "%{HANDLER} =~ /php/"\nRewriteRule ^z - [F]', 'RewriteEngine on\nRewriteCond %{REQUEST_FILENAME} -F\nRewriteRule ^p\\.php$ z.php', 'RewriteEngine on\nRewriteRule ^(z)$ $1.php', 'RewriteEngine on\nRewriteCond %{REQUEST_URI} -U\nRewriteRule ^a sub/', f'RedirectMatch ^/none$ "http://e.test/{self.pick("a b", "x?y z", "c")}"', 'Redirect 301 /none /p.php', 'Redirect gone /x')

    def only_in_sections(self):
        text = self.pick('%{REQUEST_URI}', '%{HTTP_HOST}', '%{req:X-Y}')
        return self.pick(f'Redirect "http://e.test/{text}"', f'Redirect 301 "/p.php?{text}"', 'Redirect 404', self.line(), self.line())

    def section(self, heads):
        head = self.r.choice(heads)
        lines = [self.only_in_sections() for _ in range(self.r.randint(1, 2))]
        if self.some(.3):
            condition = self.pick('true', '%{REQUEST_URI} =~ /p/', "-n %{QUERY_STRING}", "%{REQUEST_METHOD} == 'POST'", "reqenv('k') == 'p'", "-F '%{REQUEST_FILENAME}'", "%{REMOTE_USER} == 'bob'", "md5(%{QUERY_STRING}) == 'e7bfd6b6e1e3b8a56a3ba0e6ee0b5b2e'", "-z %{HANDLER}", "%{IS_SUBREQ} == 'true'")
            lines += [f'<If "{condition}">', self.only_in_sections(), '</If>'] + (['<Else>', self.line(), '</Else>'] if self.some(.4) else [])
        if self.some(.15):
            lines += [self.pick('<Limit POST>|</Limit>', '<LimitExcept GET>|</LimitExcept>').replace('|', '\n' + self.pick('Require all denied', 'Require valid-user', 'Deny from all') + '\n')]
        return [f'<{head}>'] + lines + [f'</{head.split()[0]}>']

    BELOW = ['Files p.php', 'Files "*.php"', 'FilesMatch "\\.(inc|txt)$"', 'FilesMatch "^(z|x)"', 'If "%{REQUEST_URI} =~ m#^/shop#"', 'If "-n %{QUERY_STRING}"', 'IfModule mod_rewrite.c']

    def htaccess(self):
        lines = self.many(0, 2, self.line)
        return lines + (self.section(self.BELOW) if self.some(.5) else [])

    def server(self, root):
        places = [f'Directory {root}', f'Directory {root}/shop', f'Directory {root}/*', 'DirectoryMatch "/shop/"', 'Location /', 'Location /shop', 'Location /none', 'LocationMatch "^/(?<n>p|z)"', 'Location /al', 'Files "*.php"', 'If "%{REQUEST_URI} =~ /none/"']
        lines = [f'Alias /al {root}/sub'] if self.some(.5) else []
        if self.some(.2):
            lines += ['<Location /al>', f'Alias "{root}/%{{req:X-Y}}"', '</Location>']
        for _ in range(self.r.randint(0, 2)):
            lines += self.section(places)
        return lines

    def more(self):
        return {f'{place}/.htaccess': '\n'.join(self.htaccess()) + '\n' for place in ('sub', 'shop', 'bare', 'shop/sub') if self.some(.3)}

    def requests(self, host):
        for url in self.r.sample(self.urls, 11):
            asked = {'url': url, 'host': host, 'headers': {name: value for name, value in (('X-Y', self.pick('p.php', 'P', 'sub')), ('H', 'application/x-httpd-php')) if self.some(.6)}}
            if self.some(.25):
                asked['method'] = self.pick('POST', 'PUT', 'DELETE', 'OPTIONS')
            if self.some(.3):
                asked['headers']['Authorization'], asked['user'] = 'Basic Ym9iOnB3', 'bob'
            yield asked


class Headers(Kind):
    """RequestHeader in all places, and what reads a header after it."""

    files = {**Kind.files, 'z.php': '@PROBE@', 'sub/v.php': '@PROBE@', 'v.en.php': '@PROBE@', 'v.de.php': '@PROBE@'}
    urls = ['/', '/p.php', '/sub/', '/none', '/none/', '/sub/none', '/gone', '/a.txt', '/z', '/v', '/sub/p.php', '/sub', '/loc/x']

    def header(self):
        return self.pick('X-Y', 'X-Y', 'x-y', 'X-Z', 'Host', 'Cookie', 'Accept-Language', 'Authorization', 'X-Y:')

    def change(self, early=.1):
        name, value = self.header(), self.pick('v', 'v', 'w', 'a b', 'v, w', '%{k}e', '%{k}e-x', 'a%%b', 'expr=%{REQUEST_URI}', 'expr=x%{req:X-Z}', '"v\\\\t"', 'expr=%{HTTP_HOST}', 'de', 'Basic Ym9iOnB3', 'v%{K}e', '%{SSL_PROTOCOL}s')
        value = f'"{value}"' if ' ' in value else value
        line = self.pick(f'set {name} {value}', f'set {name} {value}', f'append {name} {value}', f'add {name} {value}', f'merge {name} {value}', f'setifempty {name} {value}', f'unset {name}', f'edit {name} v w', f'edit* {name} (.) $1$1', f'edit {name} "^(.)(.*)" "$2-%{{k}}e"', f'edit* {name} [a-m] expr=%{{REQUEST_METHOD}}',
                         f'edit {name} x* y', f'edit* {name} x* y')
        if self.some(early):
            return f'RequestHeader {line} early'
        return f'RequestHeader {line} ' + self.pick('', '', '', '', 'env=k', 'env=!k', 'env=K', 'env=REDIRECT_STATUS', 'env=!REDIRECT_STATUS', "\"expr=%{REQUEST_URI} =~ m#/none#\"", "\"expr=-n req('X-Z')\"", '"expr=%{REQUEST_METHOD} == \'POST\'"')

    def reader(self):
        name = self.pick('X-Y', 'X-Y', 'X-Z', 'Host', 'Cookie', 'Accept-Language')
        value = self.pick('v', 'w', 'vv', 'v, v', 'a b', 'b', '/none', 'v, w', 'de')
        return self.pick(f'RewriteEngine on\nRewriteCond %{{HTTP:{name}}} {value.split()[0].rstrip(",")}\nRewriteRule ^(none|gone)$ z.php', f'<If "%{{req:{name}}} == \'{value}\'">\nphp_value user_agent {name}\n</If>', f'<If "-n req(\'{name}\')">\nphp_value docref_root {name}\n</If>', f'SetEnvIf {name} (.+) k=$1', 'SetEnvIf ^X- v k', 'ErrorDocument 404 /p.php/%{req:X-Y}', f'ErrorDocument 404 /p.php/%{{req:{name}}}', 'RewriteEngine on\nRewriteRule ^none$ p.php',
                         'RewriteEngine on\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . index.php [L]', 'RewriteEngine on\nRewriteCond %{HTTP_HOST} ^(v|w)\nRewriteRule ^none$ z.php', 'RewriteEngine on\nRewriteCond %{HTTP_COOKIE} .\nRewriteRule ^none$ sub/p.php', f'Require expr "req(\'{name}\') != \'{value}\'"', f'SetEnvIf {name} {value.split()[0]} bad\nDeny from env=bad', 'SetEnv k 1', 'Options +MultiViews',
                         'AuthType Basic\nAuthName x\nAuthUserFile @ROOT@/users\nRequire valid-user', 'FallbackResource /p.php', 'AddLanguage en .en\nAddLanguage de .de', f'<Files p.php>\n{self.change(0)}\n</Files>', 'ErrorDocument 403 /z.php/%{req:X-Y}', 'ErrorDocument 401 /z.php/%{req:X-Y}', 'RequestHeader set Content-Type application/x-httpd-php', 'SetHandler none', 'RequestHeader set Content-Type text/plain env=k')

    def htaccess(self):
        lines = self.many(1, 2, self.change) + self.many(2, 4, self.reader)
        self.r.shuffle(lines)
        return lines

    def server(self, root):
        lines = self.many(0, 2, lambda: self.change(.5))
        lines += [self.pick('SetEnvIf X-Y (.+) k=$1', 'SetEnvIf X-Z (.+) k=$1', 'ErrorDocument 404 /p.php/%{req:X-Y}', 'RewriteEngine on\nRewriteCond %{HTTP:X-Y} v\nRewriteRule ^/gone /z.php', '<If "%{req:X-Y} =~ /v/">\nphp_value error_append_string s\n</If>', '<Location /loc>\nRequestHeader set X-Y v\n</Location>', f'<Directory {root}>\n{self.change()}\n</Directory>')] if self.some(.6) else []
        return lines

    def more(self):
        return {'sub/.htaccess': '\n'.join([self.change(), self.reader()]) + '\n'} if self.some(.4) else {}

    def requests(self, host):
        for url in self.r.sample(self.urls, 7):
            headers = {name: value for name, value in (('X-Y', self.pick('v', 'w', 'v, w', 'kaka', '')), ('X-Z', self.pick('v', 'de')), ('Cookie', 'a=v'), ('Accept-Language', self.pick('en', 'de'))) if self.some(.5)}
            yield {'url': url, 'host': host, 'headers': headers, **({'method': 'POST'} if self.some(.2) else {})}


KINDS = {'headers': Headers, 'places': Places, 'options': Options, 'limit': Limit, 'env': Env, 'auth': Auth, 'rewrite': Rewrite, 'front': Front}


def layout(rng, kind, name):
    conf = AUTH + ['DirectoryIndex index.php index.html', '<Directory @ROOT@/www>', 'Options Indexes FollowSymLinks', 'AllowOverride All', 'Require all granted', '</Directory>', 'DocumentRoot @ROOT@/www']
    files, requests = {'users': 'bob:' + PASSWORD}, []
    for at in range(HOSTS):
        host = f'h{at}.test'
        maker = KINDS[kind](rng)
        conf += ['<VirtualHost *:@PORT@>', f'ServerName {host}', f'DocumentRoot @ROOT@/www/{host}', *maker.server(f'@ROOT@/www/{host}'), '</VirtualHost>']
        own = {**maker.files, '.htaccess': '\n'.join(maker.htaccess()) + '\n', **maker.more()}
        files.update({f'www/{host}/{path}': text for path, text in own.items()})
        requests += maker.requests(host)
    return {'name': name, 'case': {'desc': kind, 'requests': requests}, 'conf': '\n'.join(conf) + '\n', 'files': files}


def main():
    parser = httpd.arguments(18400, 30)
    parser.add_argument('kind', nargs='?', default='all')
    args = parser.parse_args()
    rng = random.Random(args.seed)
    kinds = list(KINDS) if args.kind == 'all' else [args.kind]
    layouts = [layout(rng, kinds[at % len(kinds)], f'e-{args.seed}-{at}') for at in range(args.count)]
    return httpd.compare(f'estate-{args.kind}', layouts, args)


if __name__ == '__main__':
    sys.exit(main())
