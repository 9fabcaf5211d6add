#!/usr/bin/env python3
"""Random regular expressions and subjects, and what PCRE2 says of them: the library that httpd matches with.

  patterns.py COUNT SEED > FILE

One pattern a line: [pattern, [[subject, groups or null] …]], or [pattern, null] where PCRE2 refuses it. The options are httpd's own: a
dot matches line ends, a dollar only the end. OUTLIVE_PATTERNS=FILE cargo test --lib httpd::pattern then compares.
"""
import ctypes
import json
import random
import sys

lib = ctypes.CDLL('libpcre2-8.so.0')
lib.pcre2_compile_8.restype = lib.pcre2_match_data_create_from_pattern_8.restype = ctypes.c_void_p
lib.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)
DOTALL, DOLLAR_ENDONLY, UNSET = 0x20, 0x10, ctypes.c_size_t(-1).value


def ask(pattern, subjects):
    error, offset = ctypes.c_int(), ctypes.c_size_t()
    code = lib.pcre2_compile_8(pattern, ctypes.c_size_t(len(pattern)), ctypes.c_uint32(DOTALL | DOLLAR_ENDONLY), ctypes.byref(error), ctypes.byref(offset), None)
    if not code:
        return None
    code = ctypes.c_void_p(code)
    data = ctypes.c_void_p(lib.pcre2_match_data_create_from_pattern_8(code, None))
    answers = []
    for subject in subjects:
        count = lib.pcre2_match_8(code, subject, ctypes.c_size_t(len(subject)), ctypes.c_size_t(0), ctypes.c_uint32(0), data, None)
        if count < -1:
            continue  # a limit of PCRE's own
        groups = None
        if count > 0:
            places = lib.pcre2_get_ovector_pointer_8(data)
            groups = [None if places[2 * n] == UNSET else subject[places[2 * n]:places[2 * n + 1]].decode('latin1') for n in range(count)]
        answers.append([subject.decode('latin1'), groups])
    lib.pcre2_match_data_free_8(data)
    lib.pcre2_code_free_8(code)
    return answers


def piece(r, depth):
    pick = lambda *items: r.choice(items)
    what = r.random()
    if what < .3 or depth > 3:
        return pick('a', 'b', 'c', '/', '.', '\\.', 'php', 'index', '-', '_', '%', '~', ' ', '0', '7', 'A', '=', '&', ':', '\\/', '\\-', '\\_', '@', '<', '>', '"', '#', ',', '!')
    if what < .42:
        return pick('[ab]', '[^/]', '[a-c]', '[^a]', '[]a]', '[^]a]', '[[:alpha:]]', '[[:digit:]_]', '[^[:space:]]', '[\\w-]', '[\\d.]', '[a\\]]', '[.]', '[-a]', '[a-]', '[\\/]', '[^\\s/]', '[&&a]', '[a&&b]', '[~#]', '[\\b]', '[A-Fa-f0-9]', '[[]', '[a[]', '[$^]', '[\\x41]', '[\\Qa]\\E]', '[[:^alpha:]]', '[[:punct:]]', '[--a]')
    if what < .5:
        return pick('\\d', '\\w', '\\s', '\\S', '\\W', '\\D', '\\b', '\\B', '^', '$', '\\A', '\\z', '\\Z', '\\h', '\\v', '\\R', '\\N', '\\x41', '\\x{62}', '\\t', '\\n', '\\Qa.b\\E', '\\101', '\\012', '\\e', '\\cA', '\\H', '\\V', '\\o{101}', '\\G', '\\K', '\\0')
    if what < .72:
        inner = regex(r, depth + 1)
        return pick('(%s)', '(%s)', '(?:%s)', '(?<n%d>%%s)' % r.randrange(99), '(?P<m%d>%%s)' % r.randrange(99), "(?'q%d'%%s)" % r.randrange(99), '(?>%s)', '(?i:%s)', '(?s:%s)', '(?-i:%s)', '(?m:%s)', '(?x: %s )', '(?i-s:%s)', '(?^:%s)', '(?n:%s)') % inner
    if what < .82:
        inner = regex(r, depth + 2)
        return pick('(?=%s)', '(?!%s)', '(?<=a)%s', '(?<!b)%s', '(?<=/)%s', '(?<!ab)%s', '(?<=a|bc)%s', '(?=%s)a', '(?<![a-c])%s') % inner
    if what < .88:
        return pick('\\1', '\\2', '\\g1', '\\g{1}', '\\g{-1}', '\\k<n1>', '(?P=m1)', '(?1)', '(?R)', '(?#c)', '(?i)', '(?s)', '(?m)', '(?x)', '\\11')
    if what < .92:
        return pick('(a)|\\1b', '(?(1)a|b)', '(?|(a)|(b))', '(*UTF8)a', '(?(?=a)ab|c)', '(a)?(?(1)b|c)', '{', '}', ']', 'a{,2}', '{2}', 'a{2', 'x{1,a}', '\\i', '\\y', '\\X', '\\p{L}', '\\C', '(?C)', 'a{2}{3}')
    return pick('a', 'b', '/') * r.randint(1, 3)


def regex(r, depth=0):
    out = ''
    for _ in range(r.randint(1, 3 if depth else 4)):
        out += piece(r, depth)
        if r.random() < .3:
            out += r.choice(['*', '+', '?', '*?', '+?', '??', '*+', '++', '?+', '{2}', '{1,2}', '{0,1}', '{1,}', '{1,2}?', '{1,2}+', '{0}'])
    if r.random() < .15:
        out += '|' + regex(r, depth + 1)
    return out


def subject(r):
    return ''.join(r.choice(['a', 'b', 'c', '/', '.php', 'index', '.', '-', '_', 'A', 'B', '0', '7', '%', ' ', '\n', 'ab', 'abc', '/a', '\xe9', 'aa', '{2}', ']', '=', '&', '\r\n', '\t', 'php', '~', ':']) for _ in range(r.randint(0, 8)))


def main():
    count, r = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    for _ in range(count):
        pattern = regex(r)
        if r.random() < .25:
            pattern = r.choice(['^', '^/', '^', '']) + pattern + r.choice(['$', '', '$'])
        subjects = [subject(r) for _ in range(6)] + ['/a/b.php', 'ab']
        print(json.dumps([pattern, ask(pattern.encode('latin1'), [s.encode('latin1') for s in subjects])]))


main()
