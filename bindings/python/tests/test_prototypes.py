"""The table of C functions and the structs are what the header says, and what the library has."""

import ctypes
import pathlib
import re
import subprocess
import unittest

from outlive import _library, _prototypes, _structs, enums

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADER = re.sub(r"/\*.*?\*/", "", (ROOT / "include/outlive.h").read_text(), flags=re.S)
CALLBACKS = {
    "outlive_write_function": _prototypes.WriteFunction, "outlive_flush_function": _prototypes.FlushFunction,
    "outlive_shutdown_function": _prototypes.ShutdownFunction, "outlive_destroy_function": _prototypes.DestroyFunction,
    "outlive_ended_function": _prototypes.EndedFunction,
    "outlive_check_function": None, "outlive_notice_function": None, "outlive_ini_lookup": None,
}
SCALARS = {
    "int": ctypes.c_int, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t,
    "double": ctypes.c_double, "void": None,
}
STRUCTS = {
    "outlive_str": _structs.Str, "outlive_error": _structs.ErrorRecord, "outlive_ini_options": _structs.IniOptions,
    "outlive_ini_event": _structs.IniEvent, "outlive_directive": _structs.Directive, "outlive_diagnostic": _structs.Diagnostic,
    "outlive_header": _structs.Header, "outlive_target": _structs.Target, "outlive_origin": _structs.Origin,
    "outlive_setting": _structs.Setting, "outlive_engine_options": _structs.EngineOptions,
    "outlive_request_row": _structs.RequestRow, "outlive_request_options": _structs.RequestOptions,
    "outlive_scoreboard_row": _structs.ScoreboardRow, "outlive_render_options": _structs.RenderOptions,
    "outlive_stop": _structs.StopEntry,
}


def c_type(text, name):
    """What a C declaration is in ctypes, as this package writes it."""
    text = re.sub(r"\b(struct|const)\b", "", text).strip()
    stars, base = text.count("*"), text.replace("*", "").strip()
    if base.endswith("_visitor"):
        return _prototypes.Visitor
    if base in CALLBACKS:
        return CALLBACKS[base] or ctypes.c_void_p
    if stars == 0:
        return STRUCTS.get(base) or SCALARS[base]
    if base == "char":
        return ctypes.c_char_p
    if stars == 1 and base in STRUCTS:
        return ctypes.POINTER(STRUCTS[base])
    if stars == 1 and base in ("int", "int64_t", "size_t"):
        return ctypes.POINTER(SCALARS[base])
    if stars == 2:
        return ctypes.POINTER(ctypes.c_void_p)
    if base == "void" and name == "buf":
        return ctypes.c_char_p  # bytes, whatever they mean
    return ctypes.c_void_p


def declared():
    found = {}
    for result, name, arguments in re.findall(r"^([\w \*]+?)(outlive_\w+)\(([^;{]*?)\);", HEADER, flags=re.M):
        given = []
        for argument in () if arguments.strip() == "void" else arguments.split(","):
            kind, argument_name = re.fullmatch(r"\s*(.*?)(\w+)\s*", argument, flags=re.S).groups()
            given.append(c_type(kind, argument_name))
        result = ctypes.c_void_p if result.strip() == "const uint32_t *" else c_type(result, "")
        found[name] = (result, tuple(given))
    return found


class Table(unittest.TestCase):
    def test_functions_are_those_of_the_header(self):
        header = declared()
        self.assertGreater(len(header), 60)
        self.assertEqual(sorted(header), sorted(_prototypes.FUNCTIONS))
        for name, expected in header.items():
            self.assertEqual(_prototypes.FUNCTIONS[name], expected, name)

    def test_the_library_exports_just_these(self):
        listed = subprocess.run(["nm", "-D", "--defined-only", _library.path()], stdout=subprocess.PIPE, check=True, text=True)
        exported = {line.split()[-1] for line in listed.stdout.splitlines()}
        self.assertEqual(exported, set(_prototypes.FUNCTIONS))
        symbols = (ROOT / "symbols.txt").read_text().splitlines()
        self.assertEqual({line.split()[0] for line in symbols if line and line[0] != "#"}, set(_prototypes.FUNCTIONS))

    def test_structs_are_those_of_the_header(self):
        for name, struct in STRUCTS.items():
            body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (name, name), HEADER, flags=re.S).group(1)
            fields = []
            for declaration in filter(str.strip, body.split(";")):
                kind, field, array = re.fullmatch(r"\s*(.*?)(\w+)(\[\w+\])?\s*", declaration, flags=re.S).groups()
                if array:
                    size = int(re.search(r"#define %s (\d+)" % array.strip("[]"), HEADER).group(1))
                    expected = ctypes.c_char * size
                elif name == "outlive_str" and field == "ptr":
                    expected = ctypes.c_void_p  # its text may hold NULs
                else:
                    expected = c_type(kind, field)
                    if isinstance(expected, type(_prototypes.WriteFunction)):
                        expected = ctypes.c_void_p
                fields.append((field, expected))
            self.assertEqual(struct._fields_, fields, name)

    def test_numbers_are_those_of_the_header(self):
        for enum, prefix in (
            (enums.Ending, "ENDING"), (enums.Connection, "CONNECTION"), (enums.Stage, "STAGE"), (enums.Access, "ACCESS"),
            (enums.Fate, "FATE"), (enums.Kind, "PHP_VALUE"), (enums.Severity, "SEVERITY"), (enums.StopKind, "STOP"),
        ):
            in_header = {n: int(v) for n, v in re.findall(r"#define OUTLIVE_%s_(\w+) (\d+)" % prefix, HEADER)}
            ours = {name: int(member) for name, member in enum.__members__.items() if (enum, name) != (enums.Access, "NONE")}
            self.assertEqual(ours, in_header)

    def test_numbers_of_ini_texts(self):
        in_header = dict(re.findall(r"#define OUTLIVE_INI_(\w+) (\d+)", HEADER))
        for enum in (enums.IniMode, enums.IniKind):
            self.assertEqual([int(in_header[member.name]) for member in enum], [int(member) for member in enum])

    def test_versions_agree(self):
        self.assertIn('#define OUTLIVE_VERSION "%s"' % _library.VERSION, (ROOT / "include/outlive.h").read_text())
        self.assertIn('\nversion = "%s"' % _library.VERSION, (ROOT / "Cargo.toml").read_text())


if __name__ == "__main__":
    unittest.main()
