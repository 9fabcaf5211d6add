#!/usr/bin/env python3
"""Directive by directive, with good and bad arguments: what a real apache2 refuses, in an .htaccess and in its own files.

  arguments.py [--server] [--out FILE]

Writes a line for each: `-` refused, `+` taken, a blank, and the directive as it stands. Without --server each stands in an .htaccess of
its own, below one server on loopback; with it each is a configuration's last line, asked with `apache2 -t`. The recorded ones are
tests/conformance/httpd/arguments.htaccess and arguments.server, which `cargo test --test httpd_arguments` holds the resolver against.
"""
import argparse
import concurrent.futures
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

MODULES = '''authz_core authz_host authz_user authz_groupfile authz_owner authn_core authn_file authn_anon auth_basic auth_digest
access_compat alias dir mime env setenvif rewrite actions headers expires deflate filter negotiation autoindex userdir macro include
proxy proxy_fcgi proxy_http vhost_alias status substitute speling usertrack unique_id ratelimit reqtimeout remoteip cgi asis
allowmethods buffer cern_meta charset_lite ext_filter request session session_cookie mpm_prefork'''.split()

REGEX = ['"("', '"[a"', '"*a"', '"a{2,1}"', '"(?<n>a"', '"a\\\\"', '"(?=a)b"', '"\\d+"', '"[[:foo:]]"', '"(?P<1>a)"', '"a++"', '"\\1"', '"(?z)"', '""', '^']
ADDRESS = ['10', '10.', '10.1.2.3', '10.0.0.0/8', '10.0.0.0/255.0.0.0', '10.0.0.1/8', '10/8', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', '256.1.1.1', '1.2.3.4.5', '::1', 'fe80::/10', '::1/129', '2001:db8::/32', '2001:db8', 'x', 'example.org', '""', '10.1.2.3 x', '10.0.0.0/255.0.255.0', '*', '10.*', '127.0.0.1:80', '[::1]', '10.0.0.-1', '1.2.3.4/0', ' ', '0x7f.1', '10.1.2.3/8 10', '10..1', '.10', '10.0.0.0/8/8', '!10.0.0.1', '10.0.0.0-10.0.0.9', '10.0.0.1,10.0.0.2', '#10']
EXPR = ['true', '"true"', '"%{X"', '"%{FOO} == 1"', '"a == b"', '"\'a\' == \'b\'"', '"%{REQUEST_URI} =~ /(/"', '"%{REQUEST_URI} =~ m#a#"', '"-f"', '"-z %{REQUEST_URI}"', '"-q \'x\'"', '"nofn(\'x\') == 1"', '"req(\'x\')"', '"1 == 1"', '"1 -eq 1"', '"-n reqenv(\'a\')"', '"("', '"! true"', '""', '"true &&"', '"%{REQUEST_URI} in {\'a\'}"', '"%{REQUEST_URI} = \'a\'"', '"%{REQUEST_URI} ~ /a/"', '"%{REMOTE_ADDR} -ipmatch \'10\'"', '"-R \'10.0.0.0/8\'"', '"-R \'x\'"', '"-T \'a\'"', '"a b"', '"file(\'/etc/x\') == 1"', "'true'", '"%{REQUEST_URI} !~ m/a/i"', '"%{REQUEST_URI} =~ \'a\'"', '"md5(\'a\') == \'b\'"', '"%{TIME_YEAR} -gt 2000"', '"\'a\' . \'b\' == \'ab\'"', '"unbase64(\'a\') == \'\'"']


def each(name, words):
    return [f'{name} {word}'.rstrip() for word in words]


def many():
    """Where a generic list of words says too little."""
    out = []
    out += each('Require ip', ADDRESS + ['']) + each('Require not ip', ADDRESS[:3]) + each('Allow from', ADDRESS + ['all', 'env=x', 'env=!x', 'env=', 'ALL', '']) + each('Deny from', ADDRESS + ['all', 'env=x', ''])
    out += each('Allow', ['all', 'from', 'fromm all', 'FROM all', 'From All', '']) + each('Deny', ['from', 'to all', '']) + each('Order', ['allow,deny', 'deny,allow', 'Allow,Deny', 'allow, deny', 'deny', 'mutual-failure', 'x', '"deny,allow"', '', 'allow,deny x', '""']) + each('Satisfy', ['any', 'All', 'x', '', '""', 'any all'])
    out += each('Require', ['', '""', 'all', 'all granted', 'all Denied', 'all x', 'all granted x', 'not all granted', 'not', 'valid-user', 'valid-user x', 'user', 'user a b', 'group', 'group a', 'host', 'host example.org', 'host .org x', 'local', 'local x', 'env', 'env x', 'env x y', 'method', 'method GET', 'method GET FOO', 'method get', 'expr', 'forward-dns a.b', 'forward-dns', 'file-owner', 'file-owner x', 'file-group', 'shibboleth', 'ldap-user x', 'Valid-User', 'IP 10', 'ip', 'from all', 'ip 10 10.1', 'ip 10, 11', 'all denied,granted', 'not env x', 'not valid-user', 'ssl', 'not ip x', 'dbm-group x', 'user "a b"', 'not not env x'])
    out += each('Require expr', EXPR) + [f'Require expr {e.strip(chr(34))}' for e in EXPR]
    acts = ['set', 'append', 'add', 'merge', 'unset', 'edit', 'edit*', 'setifempty', 'note', 'echo', 'SET', 'foo', 'always', 'onsuccess', '""']
    for name in ('Header', 'RequestHeader'):
        out += [name]
        for pre in ('', 'always ', 'onsuccess ', 'early '):
            for act in acts if not pre else acts[:10]:
                out += [f'{name} {pre}{act}', f'{name} {pre}{act} X', f'{name} {pre}{act} X v', f'{name} {pre}{act} X v w']
        out += each(name, ['set X "a %{y}e b"', 'set X "%"', 'set X "%%"', 'set X "%{y"', 'set X "%{y}q"', 'set X "%z"', 'set X %t', 'set X "%{y}"', 'set X "a %D %t %{REQUEST_URI}s %l %i %b"', 'set X: v', 'set "" v', 'set X ""', 'set X v env=a', 'set X v env=!a', 'set X v early', 'set X v "expr=true"', 'set X v "expr=%{X"', 'set X v "expr=("', 'set X v env=', 'set X v foo', 'unset X env=a', 'unset X v', 'unset X "expr=true"', 'unset X:', 'unset X early', 'echo ^X env=a',
                           'echo "("', 'edit X a b', 'edit X a b env=c', 'edit X "(" b', 'edit X a', 'edit* X a b early', 'edit X a expr=b', 'edit X a "expr=("', 'edit X a b c', 'set X expr=true', 'set X expr=%{REQUEST_URI}', 'set X "expr=%{X"', 'set X "expr=%{REQUEST_URI}" env=a', 'append X v env=a "b"', 'unset "X" "" ', 'set X "" env=a', 'edit X a "" env=b', 'edit X "" b', 'set X v ""', 'add X v early env=b', 'note X n', 'note X', 'set X \\"a\\"', 'set X "a\\"b"', "set X 'a b'", 'always set X v env=a', 'always unset X', 'set always X v', 'set X-Y "v;w"', 'set Cache-Control max-age=3, public', 'set Cache-Control "max-age=3, public" "expr=%{REQUEST_STATUS} == 200"'])
    out += each('ExpiresActive', ['on', 'Off', '1', 'yes', '', '""', 'on off'])
    spans = ['A300', 'M86400', 'a300', 'm1', 'A', 'Ax', 'A3x', 'A-3', '300', '"access plus 1 month"', '"access 1 month"', '"access plus"', '"now plus 1 day"', '"modification plus 1 day 2 hours"', '"access plus 1"', '"access plus x days"', '"access plus 1 fortnight"', '"access plus -1 day"', '"foo plus 1 day"', '"access"', '""', '"plus 1 day"', 'access plus 1 month', '"access plus 1 month 15"', '"ACCESS PLUS 1 MONTH"', '"access plus 1 months 2 days 3 hours 4 minutes 5 seconds 6 weeks 7 years"', '"now"', '"modified plus 1 day"', '"modif plus 1 day"', '"acc plus 1 d"', '"access plus 1 sec"', '"access plus 1 mi"', '"access plus 1month"', '"access plus  1  month"', '"access  plus 1 month"', '"access plus 0 seconds"', '"access plus one month"', '"access plus 1 month 2"', '"access plus plus 1 day"', '"access, plus 1 day"', '"A 300"', '"access plus 1.5 hours"', '"access plus 99999999999 years"', 'access', '"access plus 1 day,"', '"m"', '0', '-1']
    out += each('ExpiresDefault', spans + ['']) + each('ExpiresByType text/css', spans + ['']) + each('ExpiresByType', ['x A3', '"" A3', 'text/* A3', '*/* A3', 'image/x', '', 'text/css A3 x'])
    for name in ('SetEnvIf', 'SetEnvIfNoCase'):
        out += each(name, ['', 'a', 'a b', 'a b c', 'a "" c', '"" b c', 'a b ""', 'a b c ""', 'a b =', 'a b =x', 'a b !', 'a b !x', 'a b c=', 'a b c=$1', 'a b c=$9x', 'a b "c=d e"', 'a b !x=1', '"^a" b c', '"^(" b c', '"a(" b c', '"^X-(" b c', '^ b c', '"a.*" b c', 'Remote_Addr x y', 'Request_Protocol ( y', '"(" b c', 'remote_foo b c', 'a b c d !e f=g'] + [f'User-Agent {r} x' for r in REGEX])
    for name in ('BrowserMatch', 'BrowserMatchNoCase'):
        out += each(name, ['', 'a', 'a b', 'a ""', '"" b', 'a b c=1 !d', 'a =', 'a !'] + [f'{r} x' for r in REGEX])
    out += each('SetEnvIfExpr', ['', 'true', '"" x'] + [f'{e} x' for e in EXPR] + ['"true" ""', '"true" =', '"true" a=b !c'])
    out += each('SetEnv', ['', 'a', 'a b', 'a b c', '"" b', 'a ""', 'a "b c"', 'a=b', '"a b" c']) + each('UnsetEnv', ['', 'a', 'a b', '""']) + each('PassEnv', ['', 'a', 'a b', '""', 'PATH ""'])
    out += each('RewriteRule', ['', 'a', 'a b', 'a b [L]', 'a b L', 'a b [L', 'a b []', 'a b [ ]', 'a b [L,]', 'a b [,L]', 'a b [X]', 'a b [R=]', 'a b [R=302]', 'a b [R=99]', 'a b [R=600]', 'a b [R=x]', 'a b [R=305x]', 'a b [R=permanent]', 'a b [S]', 'a b [S=x]', 'a b [S=-1]', 'a b [N=x]', 'a b [N=]', 'a b [N=0]', 'a b [E]', 'a b [E=]', 'a b [E=a]', 'a b [E=!a]', 'a b [E=a:b,E=c:d]', 'a b [CO]', 'a b [CO=a]', 'a b [CO=a:b]', 'a b [CO=a:b:c]', 'a b [CO=a:b:c:x]', 'a b [CO=;a;b;c]', 'a b [H]', 'a b [H=]', 'a b [T]', 'a b [T=]', 'a b [T=x]', 'a b [B]', 'a b [B=x]', 'a b [BNP]', 'a b [BNE]', 'a b [BNE=/]', 'a b [BCTLS]', 'a b [L=x]', 'a b [F=1]', 'a b [NC,L] x', 'a b [L, R]', 'a b [L R]', 'a b "[L, R]"', '"" ""', '"" b', 'a ""', '! b', '!a b', '"(" b', '"[a" -', 'a - [l,qsa]', 'a - [Last,QSAppend]', 'a b [UnsafeAllow3F]', 'a b [UnsafePrefixStat]', 'a b [UNC]', 'a b [P]', 'a b [P,R]', 'a b [R,F]', 'a b [END,DPI,QSD,QSL]', 'a b [C,S=1,NS,NE,PT]', 'a b [skip=2,chain,env=a:b,type=x,handler=y]', 'a b [foo=bar]', 'a %{X b', 'a %{X', 'a ${map:x}', 'a b${', 'a b [L]]', 'a b [[L]', 'a b [cookie=a:b:c:1:/:secure:httponly]', 'a b [G,gone,forbidden,passthrough]', 'a b [noescape,nosubreq,nocase]', 'a b [discardpath]', 'a b [qslast]', 'a b [ignorecase]', 'a\\ b c', 'a "b c" [L]', 'a b "L"', 'a b ""', 'a b c d', 'a b [NC,L,]'] + [f'{r} b' for r in REGEX])
    out += each('RewriteCond', ['', 'a', 'a ""', '"" b', '"" ""', 'a b', 'a b [NC]', 'a b [OR]', 'a b [nocase,ornext]', 'a b [NV]', 'a b [L]', 'a b []', 'a b NC', 'a b [NC', 'a b c d', 'a !', 'a !b', 'a -f', 'a -foo', 'a -', 'a =', 'a =""', 'a "="', 'a <', 'a >', 'a <=', 'a >=b', 'a -lt', 'a -lt5', 'a -eq x', 'a "-eq"', 'a !-f', 'a ! -f', 'a "! -f"', '%{X a', '%{} a', '%{FOO} a', '%{ENV:} a', '%{HTTP:X a', '%X a', 'expr true', 'expr "("', 'expr ""', 'expr "%{X"', 'expr "true" [NC]', 'EXPR "("', 'a -U', 'a -F', 'a -H', 'a -q', 'a -ltx', 'a [NC]', 'a b [NC,]', 'a b "[NC, OR]"', '%{LA-U:X} a', '%{LA-X:Y} a', '${map:x} a', '${map a', '%{TIME} <2'] + [f'a {r}' for r in REGEX])
    out += each('RewriteBase', ['', '/', '""', 'a', '/a b', 'http://h/', '"/a b"', '/a/../b', './', '*']) + each('RewriteEngine', ['', 'on', 'ON', 'yes', '1', '""', 'on off', 'true']) + each('RewriteOptions', ['', 'inherit', 'Inherit', 'InheritBefore', 'inheritdown', 'InheritDownBefore', 'IgnoreInherit', 'AllowNoSlash', 'AllowAnyURI', 'MergeBase', 'IgnoreContextInfo', 'LegacyPrefixDocRoot', 'LongURLOptimization', 'MaxRedirects=3', 'MaxRedirects=', 'x', '""', 'inherit x', 'inherit=1', '+inherit']) + ['RewriteMap a txt:/x', 'RewriteMap a int:tolower', 'RewriteLog /x', 'RewriteLogLevel 1', 'RewriteLock /x']
    out += each('Redirect', ['', '/a', '/a /b', '/a b', '/a http://h/', '301 /a /b', '301 /a', '999 /a /b', '99 /a /b', '404 /a', '404 /a /b', 'gone /a', 'gone /a /b', 'permanent /a /b', 'temp /a /b', 'seeother /a /b', 'foo /a /b', 'Permanent /a /b', 'a /b', '"" /b', '/a ""', '301', '/a /b /c', '300 /a /b', '399 /a /b', '410', '200 /a', '600 /a', '0 /a', '301 /a b:c', '301 a /b', '302 /a /b /c', '301 / ""'])
    out += each('RedirectMatch', ['', '^/a', '^/a /b', '301 ^/a /b', '404 ^/a', '"(" /b', '301 "(" /b', 'foo ^/a /b', '^/a b', 'gone ^/a', '410 ^/a /b', '^/a http://h/$1', '301 ^/a', '"" /b'] + [f'301 {r} /b' for r in REGEX]) + each('RedirectTemp', ['/a', '/a /b', '/a b', 'a /b', '301 /a /b']) + each('RedirectPermanent', ['/a', '/a /b', '/a b', '/a http://h', ''])
    out += each('ErrorDocument', ['', '404', '404 /a', '404 a', '404 "a b"', '404 a b', '404 http://h/', '999 /a', '600 /a', '100 /a', '200 /a', '99 /a', 'x /a', '404x /a', '0404 /a', '404 default', '404 ""', '404 "a', '"404" /a', '401 http://h/', '-404 /a', '418 /a', '599 /a', '499 /a', '306 /a', '509 /a', '510 /a', '520 /a', '308 /a', '451 /a', '425 /a', '430 /a', '444 /a', '102 /a', '226 /a', '0 /a'])
    types = ['', 'text/x', 'text/x .a', '"" .php', 'text/x ""', 'x .a', 'text/x a b .c', '"text/x; charset=y" .a', 'a b', 'text/x "."', 'text/ .a', '/x .a', 'text/x/y .a', 'text .a']
    for name in ('AddType', 'AddHandler', 'AddCharset', 'AddEncoding', 'AddLanguage', 'AddInputFilter', 'AddOutputFilter', 'AddIcon', 'AddAlt', 'AddDescription', 'AddIconByType', 'AddAltByEncoding'):
        out += each(name, types)
    out += each('AddIcon', ['(TXT,/i.gif) .a', '(TXT /i.gif) .a', '(TXT,/i.gif', '(,) .a', '"(TXT,/i.gif)" ^^DIR^^'])
    for name in ('RemoveType', 'RemoveHandler', 'RemoveCharset', 'RemoveEncoding', 'RemoveLanguage', 'RemoveInputFilter', 'RemoveOutputFilter', 'LanguagePriority', 'IndexIgnore', 'DirectoryIndex'):
        out += each(name, ['', 'a', '.a .b', '""', 'a ""', 'disabled'])
    for name in ('ForceType', 'SetHandler', 'DefaultType', 'DefaultLanguage', 'AddDefaultCharset', 'SetOutputFilter', 'SetInputFilter', 'HeaderName', 'ReadmeName', 'IndexStyleSheet', 'IndexHeadInsert', 'DefaultIcon', 'AuthName', 'AuthType', 'AuthUserFile', 'AuthGroupFile', 'FallbackResource', 'ErrorLog', 'DirectoryIndexRedirect', 'ServerSignature', 'FileETag', 'LimitRequestBody', 'LimitXMLRequestBody', 'AcceptPathInfo', 'EnableMMAP', 'EnableSendfile', 'ContentDigest', 'CheckSpelling', 'CheckCaseOnly',
                 'SSIETag', 'XBitHack', 'SSILastModified', 'DirectorySlash', 'DirectoryCheckHandler', 'AuthMerging', 'AuthBasicAuthoritative', 'AuthzSendForbiddenOnFailure', 'CGIPassAuth', 'QualifyRedirectURL', 'CookieTracking', 'CookieExpires', 'CookieName', 'CookieDomain', 'CookieStyle', 'SubstituteMaxLineLength', 'SubstituteInheritBefore', 'SessionMaxAge', 'Session', 'SessionEnv', 'MetaFiles', 'BufferSize', 'KeptBodySize', 'RLimitCPU', 'RLimitMEM', 'RLimitNPROC', 'DeflateInflateLimitRequestBody',
                 'DeflateInflateRatioLimit', 'MaxRanges', 'AuthDigestNonceLifetime', 'AuthDigestAlgorithm', 'AuthDigestQop', 'AuthDigestNcCheck', 'Anonymous_NoUserId', 'AuthBasicUseDigestAlgorithm', 'SSIStartTag', 'SSIUndefinedEcho', 'SSIErrorMsg', 'AllowMethods', 'CharsetOptions', 'CharsetDefault', 'ExpiresActive', 'FancyIndexing', 'IndexIgnoreReset', 'ForceLanguagePriority', 'MultiviewsMatch', 'ModMimeUsePathInfo', 'RedirectRelative', 'AliasPreservePath', 'Error', 'AllowHandlers'):
        out += each(name, ['', 'x', '""', 'on', 'Off', '0', '-1', '99999999999999999999', '1k', 'none', '/x', 'x y', 'x y z', '100', '1 max', 'max', 'a b c d'])
    out += each('AuthType', ['Basic', 'Digest', 'None', 'Form']) + each('AuthBasicProvider', ['', 'file', 'x', 'file x', 'anon', '""', 'dbm']) + each('AuthDigestProvider', ['file', 'x', '']) + each('AuthDigestAlgorithm', ['MD5', 'md5', 'MD5-sess']) + each('AuthDigestQop', ['auth', 'none', 'auth-int', 'auth auth-int']) + each('AuthBasicFake', ['', 'on', 'a', 'a b', 'a b c', 'off', '"%{X"', '"%{X}"', 'a "%{"']) + each('AuthDigestDomain', ['', '/', 'x'])
    out += each('AuthMerging', ['and', 'Or', 'off', 'x']) + each('AcceptPathInfo', ['default', 'Default']) + each('ServerSignature', ['email', 'EMail']) + each('MultiviewsMatch', ['any', 'handlers', 'filters', 'handlers filters', 'any handlers', 'NegotiatedOnly', 'negotiatedonly any', 'x']) + each('ForceLanguagePriority', ['prefer', 'Fallback', 'prefer fallback', 'none', 'none prefer', 'x'])
    out += each('FileETag', ['INode', 'MTime Size', 'All', '+INode', '-INode MTime', 'None', '+None', 'INode -Size', 'Digest', 'x', '+All', 'all none', '-all']) + each('IndexOptions', ['', 'FancyIndexing', '+FancyIndexing', '-FancyIndexing', 'x', '+x', 'IconHeight=20', 'IconHeight', 'IconHeight=x', '+IconWidth=3', '-IconWidth', '-IconWidth=3', 'NameWidth=*', 'NameWidth=x', 'NameWidth=3', 'NameWidth=', 'NameWidth=-1', 'DescriptionWidth=*', 'Charset=utf-8', 'Type=text/html', 'HTMLTable', 'None', '+None', 'FancyIndexing None', 'FoldersFirst IgnoreCase VersionSort XHTML', 'TrackModified ShowForbidden AddAltClass UseOldDateFormat', '""', 'Charset', 'NameWidth=4', 'DescriptionWidth=5', 'DescriptionWidth=13'])
    out += each('IndexOrderDefault', ['Ascending Name', 'Descending Date', 'x Name', 'Ascending x', 'ascending size', 'Ascending', 'Ascending Description', '']) + each('FancyIndexing', ['on'])
    out += each('Action', ['', 'a', 'a /b', 'a b', 'a /b virtual', 'a /b x', '"" /b', 'a ""']) + each('Script', ['GET /x', 'FOO /x', 'get /x', 'GET', 'GET x']) + each('CGIVar', ['REQUEST_URI current-uri', 'REQUEST_URI original-uri', 'REQUEST_URI x', 'FOO bar', '']) + each('RLimitCPU', ['1 2', 'max max', 'x max', '1 x']) + each('Options', ['', 'All', 'x', '+x', 'All -Indexes', 'Indexes -All', '""', '+', '-', 'Indexes +MultiViews', '+Indexes MultiViews', 'none all', 'ALL', '+All', '-None', 'Indexes, FollowSymLinks', 'IncludesNOEXEC', 'RunScripts', 'SymLinksIfOwnerMatch'])
    out += each('FilterDeclare', ['', 'a', 'a CONTENT_SET', 'a x', 'a RESOURCE', 'a b c']) + each('FilterProvider', ['a DEFLATE "true"', 'a DEFLATE "("', 'a nofilter "true"', 'a DEFLATE', 'a DEFLATE resp=Content-Type $text/', 'a DEFLATE x y', '']) + each('FilterChain', ['', 'a', '+a', '-a', '@a', '=a', '!', '!x', '""', 'a b']) + each('FilterProtocol', ['a change=yes', 'nofilter x', 'a', 'DEFLATE "change=yes"']) + each('AddOutputFilterByType', ['', 'DEFLATE', 'DEFLATE text/html', 'DEFLATE text/html text/css', 'x text/html', '"" text/html', 'DEFLATE ""', 'DEFLATE;SUBSTITUTE text/html'])
    out += each('Substitute', ['', 's/a/b/', 's/a/b/ni', 's|a|b|', 's/(/b/', 's/(/b/n', 's/a/b', 's/a', 's', 'x/a/b/', 's/a/b/q', '"s/a b/c/"', 's/a/b/i', 's/a/b/f', 's/a/b/iq', 's|a|b|ni x', 's/a/b/ s/c/d/']) + each('SessionCookieName', ['a', 'a path=/', '']) + each('SessionExclude', ['/a', '']) + each('SetInputFilter', ['DEFLATE;X']) + each('AllowMethods', ['GET POST', 'reset', '-GET', '+GET', 'FOO']) + each('CharsetSourceEnc', ['utf-8', '']) + each('Anonymous', ['', 'a', 'a b', '*'])
    out += each('CookieExpires', ['"1 month"', '"1 months 2 days"', '3600', '"x"', '"1 foo"', '"plus 1 day"', '"2 weeks"']) + each('CookieStyle', ['Netscape', 'Cookie', 'Cookie2', 'RFC2109', 'RFC2965']) + each('CookieDomain', ['.a.b', 'a.b', '.a', '.']) + each('XBitHack', ['on', 'full']) + each('SSIStartTag', ['<x'])
    out += each('php_value', ['', 'a', 'a b', 'a b c', '"" b', 'a ""', 'memory_limit "1 2"']) + each('php_flag', ['', 'a', 'a on', 'a x', 'a on x', 'display_errors ""']) + ['php_admin_value a b', 'php_admin_flag a on', 'PHPINIDir /x', 'Use x', 'Include x', 'IncludeOptional x', 'LoadModule x y', 'DocumentRoot /x', 'ServerName x', 'AllowOverride All', 'Alias /a /b', 'ScriptAlias /a /b', 'ProxyPass /a !', 'LogLevel debug', 'LogLevel x', 'LogLevel rewrite:trace3', 'CustomLog x y', 'KeepAlive on', 'Listen 80', 'TraceEnable off', 'ServerTokens Prod', 'ServerAdmin x', 'Timeout 3', 'Define x', 'UnDefine x', 'Error "x"', 'Foo', 'Foo bar', '</Files>', '<Foo>', 'SSLRequireSSL', 'SecRuleEngine Off', 'Protocols h2', 'UserDir x', 'BrowserMatch', 'suPHP_ConfigPath /x', 'AddModule x', 'User x', 'VirtualDocumentRoot /x', 'HostnameLookups on', 'UseCanonicalName on', 'CacheDefaultExpire 3', 'RemoteIPHeader x', 'RequestReadTimeout header=1', 'SetEnv', 'NameVirtualHost *', 'TypesConfig /x', 'ExtFilterDefine a cmd=b']
    for close, head, words in [('Files', 'Files', ['', 'x', '"x"', '~ "("', '~ x', 'x y', '~', '""', '"x', '~ "a" b']), ('FilesMatch', 'FilesMatch', ['', 'x', 'x y'] + REGEX), ('If', 'If', [''] + EXPR), ('IfModule', 'IfModule', ['', 'x', '!x', 'x y', 'mod_rewrite.c']), ('IfDefine', 'IfDefine', ['', 'x', '!x']), ('IfVersion', 'IfVersion', ['', '2.4', '>= 2.4', '= 2.4', '~ "("', '>= x', '!> 2', '>2', '=> 2', '> 2 3', '/^2/', '~ ^2', '== 2.4.1.9']),
                               ('Limit', 'Limit', ['', 'GET', 'FOO', 'get', 'GET POST', 'TRACE', 'HEAD', 'GET,POST', '"GET"', 'PROPFIND']), ('LimitExcept', 'LimitExcept', ['', 'GET', 'FOO', 'TRACE', 'GET HEAD']), ('RequireAll', 'RequireAll', ['', 'x']), ('RequireAny', 'RequireAny', ['', 'x']), ('RequireNone', 'RequireNone', ['']), ('Directory', 'Directory', ['/x']), ('Location', 'Location', ['/x']), ('ElseIf', 'ElseIf', ['true']), ('Else', 'Else', ['', 'x']), ('IfFile', 'IfFile', ['/x', '', '!/x']), ('IfDirective', 'IfDirective', ['x', '']), ('IfSection', 'IfSection', ['x', ''])]:
        gap = lambda word: ' ' + word if word else ''
        inner = 'Require all granted' if close.startswith('Require') else ''
        out += [f'<{head}{gap(w)}>\\n{inner}\\n</{close}>' for w in words]
        out += [f'<{head} {words[1] if len(words) > 1 else ""}>', f'<{head} {words[1] if len(words) > 1 else ""}\\n</{close}>']
    return list(dict.fromkeys(line.rstrip() for line in out))


def only_server():
    out = each('AllowOverride', ['All']) + each('Listen', ['x', '80x', '127.0.0.1:x', '', '127.0.0.1:0', '99999', '127.0.0.1:18399', '[::1]:18398', '127.0.0.1:18397 http', '127.0.0.1:18396 http x'])
    for name in ('Timeout', 'KeepAlive', 'KeepAliveTimeout', 'MaxKeepAliveRequests', 'LimitRequestLine', 'LimitRequestFields', 'LimitRequestFieldSize', 'LimitInternalRecursion', 'ServerTokens', 'TraceEnable', 'HostnameLookups', 'UseCanonicalName', 'UseCanonicalPhysicalPort', 'AllowEncodedSlashes', 'MergeSlashes', 'StrictHostCheck', 'HttpProtocolOptions', 'Protocols', 'ProtocolsHonorOrder', 'RegisterHttpMethod', 'ServerAdmin', 'ServerName', 'ServerAlias', 'ServerPath', 'AcceptFilter', 'ExtendedStatus', 'FileETag', 'LogLevel', 'ErrorLogFormat', 'LogFormat', 'Mutex', 'ReceiveBufferSize', 'SendBufferSize', 'ListenBacklog', 'StartServers', 'MaxRequestWorkers', 'MinSpareServers', 'MaxConnectionsPerChild', 'User', 'Group', 'AccessFileName', 'DeflateCompressionLevel', 'DeflateBufferSize', 'DeflateMemLevel', 'DeflateWindowSize', 'DeflateFilterNote', 'ProxyRequests', 'ProxyPreserveHost', 'ProxyTimeout', 'ProxyVia', 'ProxyErrorOverride', 'ProxyAddHeaders', 'ProxyStatus', 'ProxyBadHeader',
                 'RemoteIPHeader', 'RemoteIPInternalProxy', 'RemoteIPTrustedProxy', 'RequestReadTimeout', 'CacheNegotiatedDocs', 'UserDir', 'VirtualDocumentRoot', 'RegexDefaultOptions', 'MergeTrailers', 'SeeRequestTail', 'NameVirtualHost', 'GracefulShutdownTimeout', 'MaxMemFree', 'ThreadStackSize', 'CoreDumpDirectory', 'QualifyRedirectURL', 'AllowOverrideList', 'Define', 'UnDefine'):
        out += each(name, ['', 'x', '""', 'on', '0', '-1', '99999999999999999999', 'x y', '100', 'x y z'])
    out += each('ProxyPass', ['', '/a', '/a !', '/a http://127.0.0.1/', '/a foo://127.0.0.1/', '/a x', 'a http://h/', '/a http://127.0.0.1/ retry=0', '/a http://127.0.0.1/ retry=x', '/a http://127.0.0.1/ foo=1', '/a http://127.0.0.1/ foo', '/a http://127.0.0.1:x/', '/a fcgi://127.0.0.1:9000/x', '/a unix:/x|fcgi://localhost/', '/a unix:/x', '/a balancer://x/', '/a http://127.0.0.1/ timeout=5 max=3', '/a http://127.0.0.1/ timeout=x']) + each('ProxyPassMatch', ['"(" http://h/', '^/a http://127.0.0.1/$1', '^/a !', '^/a']) + each('ProxyPassReverse', ['', '/a', '/a http://h/'])
    out += each('Alias', ['', '/a', '/a /b', '/a b', 'a /b', '/a /b /c', '"" /b', '/a ""']) + each('AliasMatch', ['^/a', '^/a /b', '"(" /b']) + each('ScriptAlias', ['/a', '/a /b', '/a /b c']) + each('ScriptAliasMatch', ['"(" /b', '^/a /b']) + each('DocumentRoot', ['', '/nowhere', '/tmp', '"/tmp', '/tmp x', '/etc/passwd', '""']) + each('TypesConfig', ['', '/nowhere', '/dev/null']) + each('RewriteMap', ['', 'a', 'a txt:/nowhere', 'a int:tolower', 'a int:x', 'a x:y', 'a prg:/nowhere', 'a rnd:/nowhere', 'a dbm:/nowhere', 'a /nowhere', 'a txt:/dev/null x', 'a nosuch', 'a int:escape'])
    for name, close in (('Directory', 'Directory'), ('DirectoryMatch', 'DirectoryMatch'), ('Location', 'Location'), ('LocationMatch', 'LocationMatch'), ('VirtualHost', 'VirtualHost'), ('Proxy', 'Proxy'), ('ProxyMatch', 'ProxyMatch'), ('Macro', 'Macro')):
        out += [f'<{name}{" " if w else ""}{w}>\\n</{close}>' for w in ['', '/x', '/x /y', '"("', '~ "("', '*', '*:80', '~', '""', '*:x', '127.0.0.1:99999', '[::1]:80', '_default_:80', 'a $b', 'a $b $b', 'x']]
    for line in ['AllowOverride', 'AllowOverride x', 'AllowOverride All', 'AllowOverride None All', 'AllowOverride Options=Indexes,x', 'AllowOverride Options=', 'AllowOverride Nonfatal=x', 'AllowOverride Nonfatal', 'AllowOverride FileInfo,Limit', 'AllowOverride all none', 'AllowOverride ""', 'AllowOverrideList', 'AllowOverrideList x', 'AllowOverrideList None', 'Options All -Indexes', 'Options x', 'Require all denied', 'Require x', 'DocumentRoot /tmp', 'ServerName x', 'Alias /a /b', 'RewriteBase x', 'RewriteBase /a', 'RewriteMap a int:tolower', 'ProxyPass /a !', 'php_admin_value a b', 'Listen 80', 'LogLevel x', 'LogLevel info', 'Redirect /a', 'Include /nowhere', 'IncludeOptional /nowhere']:
        out.append(f'<Directory /x>\\n{line}\\n</Directory>')
    return out


def conf(root, more=''):
    return '\n'.join([f'ServerRoot "{root}"', f'DefaultRuntimeDir "{root}"', *(f'LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so' for name in MODULES), 'LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so', f'PidFile {root}/run.pid', f'ErrorLog {root}/error.log', 'User www-data', 'Group www-data', 'ServerName localhost', 'TypesConfig /dev/null', more])


def text_of(line):
    return line.replace('\\n', '\n') + '\n' if line.startswith('<') else line + '\n'


def ask_server(root, lines):
    def one(at):
        path = f'{root}/{at}.conf'
        open(path, 'w').write(conf(root, 'Listen 127.0.0.1:18390\n' + text_of(lines[at])))
        done = subprocess.run(['apache2', '-t', '-f', path], capture_output=True, text=True, env={'PATH': '/usr/sbin:/usr/bin', 'LANG': 'C'})
        return done.returncode == 0, (done.stderr.strip().splitlines() or [''])[-1][:200] if done.returncode else ''
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(len(lines))))


def ask_htaccess(root, lines, port):
    for at, line in enumerate(lines):
        os.makedirs(f'{root}/www/{at}')
        open(f'{root}/www/{at}/.htaccess', 'w').write(text_of(line))
        open(f'{root}/www/{at}/a', 'w').write('x')
    more = f'Listen 127.0.0.1:{port}\nDocumentRoot {root}/www\n<Directory {root}/www>\nAllowOverride All\nRequire all granted\n</Directory>\nStartServers 2'
    open(f'{root}/httpd.conf', 'w').write(conf(root, more))
    server = subprocess.Popen(['apache2', '-f', f'{root}/httpd.conf', '-DFOREGROUND'], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(300):
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                break
            except OSError:
                time.sleep(.1)
        for at in range(len(lines)):
            asked = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
            asked.request('GET', f'/{at}/a')
            try:
                asked.getresponse().read()
            except (http.client.HTTPException, OSError):
                pass
            asked.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    refused = dict((int(at), why) for at, why in re.findall(r'/www/(\d+)/\.htaccess: (.*)', open(f'{root}/error.log', errors='replace').read()))
    return [(at not in refused, refused.get(at, '')) for at in range(len(lines))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--server', action='store_true')
    parser.add_argument('--out')
    parser.add_argument('--port', type=int, default=18391)
    args = parser.parse_args()
    lines = only_server() if args.server else many()
    root = tempfile.mkdtemp(prefix='arguments-')
    os.chmod(root, 0o755)
    try:
        answers = ask_server(root, lines) if args.server else ask_htaccess(root, lines, args.port)
    finally:
        shutil.rmtree(root)
    out = open(args.out, 'w') if args.out else sys.stdout
    for line, (fine, why) in zip(lines, answers):
        print('+' if fine else '-', line, file=out)
        if os.environ.get('WHY'):
            print('#', why, file=out)
    print(f'{len(lines)} asked, {sum(not fine for fine, _ in answers)} refused', file=sys.stderr)


if __name__ == '__main__':
    main()
