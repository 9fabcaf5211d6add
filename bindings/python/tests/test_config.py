"""The plain API: configuration and settings."""

import pathlib
import pickle
import tempfile
import textwrap
import unittest

import outlive


class Configuration(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def file(self, name, text):
        path = self.directory / name
        path.write_text(textwrap.dedent(text))
        return path

    def test_defaults_are_phps(self):
        with outlive.Config() as config, config.resolve() as found:
            self.assertEqual(found["max_execution_time"], "30")
            self.assertFalse(found.get_bool("ignore_user_abort"))
            self.assertEqual(found.get_int("max_execution_time"), 30)
            self.assertEqual(found.get_quantity("memory_limit"), 128 << 20)
            self.assertIn("outlive.detect", found)
            self.assertNotIn("no.such", found)
            with self.assertRaises(outlive.NotFoundError) as raised:
                found.get("no.such")
            self.assertEqual(raised.exception.name, "OUTLIVE_ERROR_NOT_FOUND")
            self.assertIsInstance(raised.exception, KeyError)
            self.assertGreater(len(found.all()), 100)

    def test_files_and_explain(self):
        ini = self.file("php.ini", """
            ignore_user_abort = Off
            max_execution_time = 7
        """)
        conf = self.file("httpd.conf", """
            LoadModule php_module modules/libphp.so
            <Location "/save">
                php_flag ignore_user_abort on
                php_admin_value max_execution_time 9
            </Location>
        """)
        config = outlive.Config(php_ini=ini, httpd_conf=conf)
        self.assertEqual(config.resolve("/other", filename="/srv/other")["max_execution_time"], "7")
        found = config.resolve("/save?x=1", filename="/srv/save", method="POST", server_name="localhost", headers=[("X-Y", "z")])
        self.assertTrue(found.get_bool("ignore_user_abort"))
        origins = found.explain("ignore_user_abort")
        self.assertEqual([(o.file, o.line, o.fate) for o in origins[1:]], [
            (str(ini), 2, outlive.Fate.OVERRIDDEN), (str(conf), 4, outlive.Fate.IN_FORCE),
        ])
        self.assertTrue(found.origin("max_execution_time").locks)
        self.assertEqual(str(found.origin("max_execution_time")), "%s:5: 9" % conf)

    def test_errors_carry_their_place(self):
        conf = self.file("httpd.conf", "ServerName x\n<Location /a>\n")
        with self.assertRaises(outlive.ConfigError) as raised:
            outlive.Config(httpd_conf=conf)
        error = raised.exception
        self.assertEqual((error.file, error.name), (str(conf), "OUTLIVE_ERROR_REFUSED"))
        self.assertGreater(error.line, 0)
        self.assertTrue(str(error).startswith("%s:%d" % (conf, error.line)), str(error))
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), again.file, again.line, str(again)), (type(error), error.file, error.line, str(error)))
        with self.assertRaises(outlive.ConfigError):
            outlive.Config(php_ini=self.directory / "none.ini")
        with self.assertRaises(outlive.ArgumentError):
            outlive.Config(php_version=12)
        with self.assertRaises(outlive.ArgumentError):
            outlive.Config(values={"precision": [14]})

    def test_not_served(self):
        conf = self.file("httpd.conf", "Redirect /old http://localhost/new\nLoadModule alias_module modules/mod_alias.so\n")
        with self.assertRaises(outlive.NotServedError):
            outlive.Config(httpd_conf=conf).resolve("/old")

    def test_diagnostics(self):
        ini = self.file("php.ini", "outlive.detect = sideways\n")
        config = outlive.Config(php_ini=ini)
        found = config.diagnostics
        self.assertEqual([(d.file, d.line) for d in found], [(str(ini), 1)])
        self.assertIn("sideways", str(found[0]))

    def test_environment_is_asked_for(self):
        ini = self.file("php.ini", "error_log = ${WHERE}\n")
        self.assertEqual(outlive.Config(php_ini=ini).resolve()["error_log"], "")
        self.assertEqual(outlive.Config(php_ini=ini, env={"WHERE": "/there"}).resolve()["error_log"], "/there")

    def test_where_php_looks(self):
        for name in ("compiled", "binary", "scanned"):
            (self.directory / name).mkdir()
        self.file("compiled/php.ini", "memory_limit = 10M\n")
        self.file("binary/php.ini", "memory_limit = 20M\n")
        self.file("scanned/10.ini", "precision = 5\n")
        compiled, scanned = self.directory / "compiled", self.directory / "scanned"
        found = outlive.Config(php_ini=True, compiled_in=compiled).resolve()
        self.assertEqual((found["memory_limit"], found["precision"]), ("10M", "14"))
        found = outlive.Config(php_ini=True, compiled_in=(compiled, scanned), sapi="cli", binary_dir=self.directory / "binary").resolve()
        self.assertEqual((found["memory_limit"], found["precision"]), ("20M", "5"))
        for given, precision in ((scanned, "5"), ([scanned, ""], "5"), ([], "14"), ("", "14")):
            found = outlive.Config(php_ini=True, compiled_in=(compiled, scanned), scan_dirs=given).resolve()
            self.assertEqual(found["precision"], precision, given)
        self.assertRaises(outlive.ArgumentError, outlive.Config, scan_dirs=["a:b"])

    def test_fastcgi_parameters(self):
        given = [("PHP_VALUE", "precision=3\nignore_user_abort=1"), ("PHP_ADMIN_VALUE", "memory_limit=7M")]
        found = outlive.Config(sapi="fpm-fcgi", fastcgi_params=given).resolve()
        self.assertEqual([found[name] for name in ("precision", "ignore_user_abort", "memory_limit")], ["3", "1", "7M"])
        self.assertTrue(found.origin("memory_limit").locks)
        self.assertRaises(outlive.ArgumentError, outlive.Config, fastcgi_params=[("PHP_OTHER", "a=1")])

    def test_status(self):
        conf = self.file("httpd.conf", """
            LoadModule alias_module modules/mod_alias.so
            Redirect permanent /old http://localhost/new
        """)
        config = outlive.Config(httpd_conf=conf)
        self.assertEqual((config.status("/old"), config.status("/new", filename="/srv/new")), (301, 0))
        self.assertEqual(outlive.Config().status("/old"), 0)

    def test_refresh(self):
        (self.directory / "web").mkdir()
        htaccess = self.file("web/.htaccess", "php_value precision 3\n")
        conf = self.file("httpd.conf", """
            LoadModule php_module modules/libphp.so
            <Directory "%s">
                AllowOverride All
            </Directory>
        """ % self.directory)
        config = outlive.Config(httpd_conf=conf)
        target = {"filename": self.directory / "web/a.php", "document_root": self.directory / "web"}
        self.assertEqual(config.resolve("/a.php", **target)["precision"], "3")
        config.refresh()
        htaccess.write_text("php_value precision 4\n")
        self.assertEqual(config.resolve("/a.php", **target)["precision"], "4")

    def test_containers_of_the_hosts_own(self):
        outer, inner = outlive.DirConfig(), outlive.DirConfig()
        outer.set("ignore_user_abort", "on", kind=outlive.Kind.ADMIN_FLAG, file="my.conf", line=3)
        outer.set("precision", "3")
        inner.set("ignore_user_abort", "off", kind=outlive.Kind.FLAG, file="my.conf", line=9)
        inner.set("precision", "4", from_htaccess=True)
        config = outlive.Config()
        found = config.resolve_dir(outer.merge(inner))
        self.assertEqual((found.get_bool("ignore_user_abort"), found["precision"]), (True, "4"))
        self.assertEqual(str(found.origin("ignore_user_abort")), "my.conf:3: on")
        self.assertEqual(config.resolve_dir(outer)["precision"], "3")
        self.assertEqual(config.resolve_dir()["precision"], "14")
        with self.assertRaises(outlive.AccessError):
            inner.set("precision", "4", kind=outlive.Kind.ADMIN_VALUE, from_htaccess=True)
        self.assertRaises(outlive.ArgumentError, inner.set, "", "4")

    def test_own_directives(self):
        mine = [outlive.Directive("shop.level", "1", outlive.Access.ALL, str.isdigit), outlive.Directive("shop.name")]
        config = outlive.Config(directives=mine, values={"shop.level": "12"})
        self.assertEqual(config.resolve()["shop.level"], "12")
        self.assertEqual(config.resolve()["shop.name"], "")
        with outlive.Engine() as engine, engine.begin(config.resolve()) as request:
            self.assertEqual(request.ini_set("shop.level", "3"), "12")
            with self.assertRaises(outlive.ValueRefusedError):
                request.ini_set("shop.level", "high")
            self.assertEqual(request.ini_get("shop.level"), "3")
            request.ini_restore("shop.level")
            self.assertEqual(request.ini_get("shop.level"), "12")


class Mistakes(unittest.TestCase):
    def test_mistakes_in_python_are_errors(self):
        for name, value, says in (
            ("outlive.detech", "watch", "no directive outlive.detech: did you mean outlive.detect"),
            ("outlive.disconnect", "finsh", "outlive.disconnect = 'finsh'.*did you mean 'finish'"),
            ("outlive.max_detached", "many", "outlive.max_detached = 'many'"),
            ("outlive.max_detached_time", "0.5", "outlive.max_detached_time = '0.5'"),
            ("outlive.max_detached_time", 0.5, "outlive.max_detached_time = 0.5: it takes whole numbers"),
            ("max_execution_time", "0.5", "max_execution_time = '0.5': it takes whole seconds"),
            ("max_execution_time", None, "max_execution_time"),
        ):
            with self.subTest(name=name, value=value), self.assertRaisesRegex(outlive.Error, says):
                outlive.Config(values={name: value})
        for name, value, stored in (("outlive.max_detached", 5, "5"), ("ignore_user_abort", True, "1"), ("max_execution_time", 2.0, "2")):
            self.assertEqual(outlive.Config(values={name: value}).resolve()[name], stored)

    def test_errors_of_a_request_name_directive_and_value(self):
        with outlive.Engine() as engine, engine.begin(outlive.Config().resolve()) as request:
            with self.assertRaisesRegex(outlive.ValueRefusedError, "outlive.disconnect = 'finsh'"):
                request.ini_set("outlive.disconnect", "finsh")
            with self.assertRaisesRegex(outlive.NotFoundError, "no.such"):
                request.ini_get("no.such")
            request.ini_set("ignore_user_abort", True)
            self.assertEqual(request.ini_get("ignore_user_abort"), "1")


if __name__ == "__main__":
    unittest.main()
