"""Ini texts: the recorded answers of real PHP, and what the face around them adds."""

import base64
import json
import os
import pathlib
import tempfile
import unittest

import outlive
from outlive import IniKind, IniMode

CASES = json.loads((pathlib.Path(__file__).resolve().parents[3] / "tests/conformance/ini/cases.json").read_text())


def text(recorded):
    if isinstance(recorded, dict):
        return base64.b64decode(recorded["b64"]).decode("utf-8", "surrogateescape")
    return recorded


def value(recorded):
    """A recorded answer as Python has it."""
    if isinstance(recorded, dict) and "a" in recorded:
        return {key if isinstance(key, int) else text(key): value(item) for key, item in recorded["a"]}
    if isinstance(recorded, dict) and "f" in recorded:
        return float(recorded["f"])
    return text(recorded)


class Recorded(unittest.TestCase):
    def setUp(self):
        fixture = CASES["fixture"]
        config = outlive.parse_ini(fixture["config_directives_for_parse_ini"])
        self.variables = {**fixture["env"], **{k: v for k, v in config.items() if isinstance(v, str)}, "max_execution_time": "0"}

    def test_answers_are_phps(self):
        # Those that use constants of the recording's own are the Rust tests' business.
        own = [name for name in CASES["fixture"]["user_constants"] if len(name) > 2] + ["M_PI", "INI_", "DIRECTORY_SEP", "STDIN"]
        short = {name for name in CASES["fixture"]["user_constants"] if len(name) <= 2}
        compared = 0
        for case in CASES["cases"]:
            source = case["text"].encode() if "text" in case else base64.b64decode(case["text_b64"])
            words = source.decode("latin-1")
            if any(name in words for name in own) or any(word in short for word in words.replace("=", " ").replace("|", " ").split()):
                continue
            for mode in IniMode:
                expected = case["expect"][mode.name]
                if expected == "=NORMAL":
                    continue
                expected = expected["string"]
                for sections, found in ((False, expected["flat"]), (True, expected["sections"])):
                    compared += 1
                    with self.subTest(case["id"], mode=mode, text=source, sections=sections):
                        if found is False:
                            with self.assertRaises(outlive.ConfigError) as raised:
                                outlive.parse_ini(source, mode=mode, sections=sections, variables=self.variables)
                            said = "%s in Unknown on line %d\n" % (raised.exception.message, raised.exception.line or 0)
                            self.assertIn(said, [warning for _, warning in expected["warnings"]])
                        else:
                            answer = outlive.parse_ini(source, mode=mode, sections=sections, variables=self.variables)
                            # repr, for 1 == True == 1.0; and for the order.
                            self.assertEqual(repr(answer), repr(value(found)))
        self.assertGreater(compared, 3000)


class Face(unittest.TestCase):
    def test_modes(self):
        given = "[a]\nokay = on\nnumber = 12\nlist[] = x\nlist[7] = 1.5\nlist[] = null\nbare\n"
        self.assertEqual(outlive.parse_ini(given), {"okay": "1", "number": "12", "list": {0: "x", 7: "1.5", 8: ""}})
        self.assertEqual(
            outlive.parse_ini(given, mode=IniMode.TYPED, sections=True),
            {"a": {"okay": True, "number": 12, "list": {0: "x", 7: 1.5, 8: None}}},
        )
        self.assertEqual(outlive.parse_ini(given, mode=IniMode.RAW)["okay"], "on")

    def test_where_a_list_goes_on(self):
        given = "l[-3] = a\nl[] = b\nl[x] = c\nl[] = d\n"
        self.assertEqual(outlive.parse_ini(given), {"l": {-3: "a", -2: "b", "x": "c", -1: "d"}})
        self.assertEqual(outlive.parse_ini(given, php_version=70400), {"l": {-3: "a", 0: "b", "x": "c", 1: "d"}})
        self.assertEqual(outlive.parse_ini("l[9223372036854775807] = a\nl[] = lost"), {"l": {2**63 - 1: "a"}})
        self.assertEqual(len(outlive.parse_ini("l[] = a\n" * 50000)["l"]), 50000)

    def test_entries_carry_their_lines(self):
        found = outlive.ini_entries("[a]\nkey = 1\n\nlist[x] = 2\nbare\n")
        self.assertEqual(
            [(e.kind, e.line, e.key, e.offset, e.value) for e in found],
            [(IniKind.SECTION, 1, "a", "", ""), (IniKind.ENTRY, 2, "key", "", "1"), (IniKind.ARRAY_ENTRY, 4, "list", "x", "2"),
             (IniKind.BARE, 5, "bare", "", "")],
        )

    def test_names_are_looked_up(self):
        self.assertEqual(outlive.parse_ini("a = ${WHERE}\nb = E_ERROR"), {"a": "", "b": "1"})
        self.assertEqual(
            outlive.parse_ini("a = ${WHERE}\nb = LEVEL\nc = E_ERROR", variables={"WHERE": "/thére"}, constants={"LEVEL": "9"}),
            {"a": "/thére", "b": "9", "c": "E_ERROR"},
        )
        os.environ["OUTLIVE_TEST_WHERE"] = "here"
        self.addCleanup(os.environ.pop, "OUTLIVE_TEST_WHERE")
        self.assertEqual(outlive.parse_ini("a = ${OUTLIVE_TEST_WHERE}", variables=True), {"a": "here"})

    def test_files_and_errors(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "my.ini"
            path.write_text("good = 1\n\nbad = (\n")
            with self.assertRaises(outlive.ConfigError) as raised:
                outlive.parse_ini_file(path)
            error = raised.exception
            self.assertEqual((error.file, error.name), (str(path), "OUTLIVE_ERROR_SYNTAX"))
            self.assertTrue(str(error).startswith("%s:%d" % (path, error.line)), str(error))
            path.write_bytes(b"a = x\0y\nb = 2\n")
            self.assertEqual(outlive.parse_ini_file(path)["b"], "2")
            self.assertRaises(FileNotFoundError, outlive.parse_ini_file, path.parent / "none.ini")
        self.assertRaises(outlive.ArgumentError, outlive.parse_ini, "a = 1", php_version=12)


if __name__ == "__main__":
    unittest.main()
