"""Policy written in Python: what the keywords mean, and what decorators do to a view."""

import functools
import tempfile
import unittest

import outlive
from outlive.asgi import OutliveMiddleware
from outlive.wsgi import OutliveMiddleware as Guard
from outlive.wsgi import OutliveMiddleware as Blocking


async def nothing(scope, receive, send):
    pass


def in_force(middleware):
    return middleware._core.config.resolve()


class Keywords(unittest.TestCase):
    def test_what_is_not_said_is_stated(self):
        for kind in (OutliveMiddleware, Blocking):
            settings = in_force(kind(nothing, disconnect="auto"))
            for name, value in (
                ("outlive.disconnect", "auto"), ("outlive.detect", "watch"), ("outlive.clock", "wall"), ("max_execution_time", "0"),
                ("outlive.max_detached", "200"), ("outlive.max_detached_time", "300"),
            ):
                self.assertEqual(settings[name], value)

    def test_without_a_word_it_is_phps(self):
        settings = in_force(OutliveMiddleware(nothing))
        self.assertEqual((settings["outlive.detect"], settings["max_execution_time"]), ("write", "30"))

    def test_all_words(self):
        settings = in_force(OutliveMiddleware(
            nothing, disconnect="finish", time_limit=5, detect="write", clock="cpu", max_detached=7, max_detached_time=8, scoreboard="/run/x",
        ))
        self.assertEqual([settings[name] for name in (
            "outlive.disconnect", "max_execution_time", "outlive.detect", "outlive.clock", "outlive.max_detached", "outlive.max_detached_time",
            "outlive.scoreboard",
        )], ["finish", "5", "write", "cpu", "7", "8", "/run/x"])

    def test_files_say_the_rest(self):
        with tempfile.NamedTemporaryFile(suffix=".ini") as file:
            settings = in_force(OutliveMiddleware(nothing, disconnect="auto", php_ini=file.name))
        self.assertEqual((settings["outlive.detect"], settings["outlive.disconnect"]), ("write", "auto"))

    def test_mistakes(self):
        for words, said in (
            ({"disconnect": "finnish"}, "did you mean 'finish'"), ({"detect": "wach"}, "'watch'"), ({"time_limit": "5"}, "time_limit='5'"),
            ({"time_limit": 0.5}, "whole seconds"), ({"max_detached": -1}, "max_detached=-1"), ({"time_limit": True}, "whole"),
            ({"disconnect": "stop", "values": {"outlive.disconnect": "stop"}}, "say it once"), ({"streaming": "on"}, "'stop', 'disconnect'"),
        ):
            with self.assertRaisesRegex(outlive.ArgumentError, said):
                OutliveMiddleware(nothing, **words)
        with self.assertRaises(TypeError):
            OutliveMiddleware(nothing, outlive.Config(), disconnect="stop")
        for kind, word, near in (
            (OutliveMiddleware, "disconect", "disconnect"), (Guard, "disconect", "disconnect"), (OutliveMiddleware, "cleenup", "cleanup"),
            (Guard, "cleanup", "there are accept, "),
        ):
            with self.assertRaisesRegex(TypeError, f"OutliveMiddleware has no keyword '{word}': .*{near}"):
                kind(nothing, **{word: 1})


class OutsideOfRequests(unittest.TestCase):
    def test_nothing_happens_where_that_is_said(self):
        import asyncio

        async def held():
            async with outlive.hold(strict=False):
                outlive.check(strict=False)

        asyncio.run(held())
        with outlive.hold(strict=False):
            self.assertIsNone(outlive.current_or_none())
        for call in (outlive.hold, outlive.check):
            self.assertRaises(outlive.NoRequest, call)

    def test_within_one_it_is_the_same(self):
        engine, config = outlive.Engine(), outlive.Config(values={"outlive.disconnect": "stop"})
        self.addCleanup(engine.close)
        reached = []
        with engine.begin(config.resolve()) as request:
            self.assertIs(outlive.current_or_none(), request)
            with outlive.hold(strict=False):
                request.client_gone()
                outlive.check(strict=False)
                reached.append("held")
            reached.append("never")
        self.assertEqual(reached, ["held"])


class Views(unittest.TestCase):
    def begin(self, values=None):
        engine, config = outlive.Engine(), outlive.Config(values=values or {})
        self.addCleanup(engine.close)
        return engine.begin(config.resolve(), label="/", method="POST")

    def test_a_view_outside_of_a_request_is_the_view(self):
        @outlive.stop
        def view(a, b=2):
            """Says."""
            return a + b

        self.assertEqual((view(1), view.__name__, view.__doc__), (3, "view", "Says."))

    def test_what_they_set(self):
        seen = []

        @outlive.policy(disconnect="finish", time_limit=2, max_detached_time=3)
        def view():
            seen.extend(outlive.ini_get(name) for name in ("outlive.disconnect", "max_execution_time", "outlive.max_detached_time"))

        with self.begin():
            view()
        self.assertEqual(seen, ["finish", "2", "3"])

    def test_stop_where_the_client_had_left_under_finish(self):
        reached = []

        @outlive.stop
        def view():
            reached.append("never")

        with self.begin({"outlive.disconnect": "finish"}) as request:
            request.client_gone()
            outlive.check()
            view()
        self.assertEqual((reached, request.ending), ([], outlive.Ending.ABORTED))

    def test_that_stop_waits_for_the_hold(self):
        reached = []

        @outlive.stop
        def view():
            reached.append("in the hold")

        with self.begin({"outlive.disconnect": "finish"}) as request:
            request.client_gone()
            outlive.check()
            with outlive.hold():
                view()
                outlive.check()
                reached.append("still")
            reached.append("never")
        self.assertEqual((reached, request.ending), (["in the hold", "still"], outlive.Ending.ABORTED))

    def test_what_an_administrator_locked_stays(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(
                "LoadModule php_module modules/libphp.so\nphp_admin_value outlive.disconnect finish\nphp_admin_value max_execution_time 9\n"
            )
            file.flush()
            config = outlive.Config(httpd_conf=file.name)
        engine = outlive.Engine()
        self.addCleanup(engine.close)
        with engine.begin(config.resolve(), label="/", method="POST"):
            outlive.policy(disconnect="stop", time_limit=1).apply()
            self.assertEqual((outlive.ini_get("outlive.disconnect"), outlive.ini_get("max_execution_time")), ("finish", "9"))

    def test_classes_partials_and_what_is_no_view(self):
        @outlive.finish
        class View:
            def dispatch(self):
                return outlive.ini_get("outlive.disconnect")

        with self.begin():
            self.assertEqual(View().dispatch(), "finish")
            self.assertEqual(outlive.stop(functools.partial(outlive.ini_get, "outlive.disconnect"))(), "stop")
        for wrong in (object(), type("Other", (), {})):
            with self.assertRaises(TypeError):
                outlive.stop(wrong)
        with self.assertRaisesRegex(outlive.ArgumentError, "did you mean 'stop'"):
            outlive.policy(disconnect="stopp")


if __name__ == "__main__":
    unittest.main()
