"""The plain API: engine, request, process."""

import asyncio
import contextvars
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest

import outlive
from outlive.engine import make_notify
from outlive.request import bare_request

def settings(**values):
    named = {name.replace("__", "."): value for name, value in values.items()}
    return outlive.Config(values=named).resolve()


def wait_for(condition, seconds=20.0):
    event = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        event.wait(0.01)
    raise AssertionError("not in time")


class Requests(unittest.TestCase):
    def setUp(self):
        self.engine = outlive.Engine()
        self.addCleanup(self.engine.close)

    def test_four_calls(self):
        told = []
        with self.engine.begin(settings(ignore_user_abort="On"), label="/save", method="POST") as request:
            outlive.register_shutdown_function(lambda *a, **k: told.append((a, k, outlive.ending())), 1, two=2)
            request.client_gone()
            outlive.check()
            self.assertEqual(outlive.connection_status(), outlive.Connection.ABORTED)
            self.assertTrue(outlive.connection_aborted())
            row, = self.engine.requests()
            self.assertEqual((row.label, row.method, row.ignores_abort), ("/save", "POST", True))
            self.assertIsNotNone(row.gone)
        self.assertEqual(told, [((1,), {"two": 2}, outlive.Ending.COMPLETED)])
        self.assertEqual(self.engine.requests(), [])
        self.assertEqual(request.ending, outlive.Ending.COMPLETED)
        self.assertRaises(outlive.EndedError, request.check)
        self.assertRaises(outlive.NoRequest, outlive.current)

    def test_a_bare_request_is_a_request(self):
        self.assertEqual(vars(bare_request(self.engine)), vars(outlive.Request(self.engine)))

    def test_stops_by_a_queue_on_a_loop(self):
        with outlive.Engine(stop_queues=2) as engine:
            self.assertRaises(outlive.ArgumentError, engine.stop_fd, 2)
            self.assertIsNone(engine.next_stop(1))
            seen = []

            async def serve():
                loop, done = asyncio.get_running_loop(), asyncio.Event()
                working = {}

                def heard(queue):
                    while True:
                        stop = engine.next_stop(queue)
                        if stop is None:
                            return
                        seen.append((queue, stop))
                        if stop.kind == outlive.StopKind.DRAINED:
                            done.set()
                        else:
                            working.pop(stop.id).end()

                for queue in range(2):
                    loop.add_reader(engine.stop_fd(queue), heard, queue)
                request = engine.begin(settings(), stop_queue=1)
                self.assertRaises(outlive.ArgumentError, request.on_stop, print)
                first = request.id
                working[first] = request
                engine.cancel(first)
                while working:
                    await asyncio.sleep(0.01)
                request = engine.begin(settings())
                last = request.id
                working[last] = request
                engine.begin_drain(0)
                self.assertRaises(outlive.DrainingError, engine.begin, settings())
                await asyncio.wait_for(done.wait(), 20)
                for queue in range(2):
                    loop.remove_reader(engine.stop_fd(queue))
                return first, last

            first, last = asyncio.run(serve())
            due, drained = outlive.StopKind.DUE, outlive.StopKind.DRAINED
            self.assertEqual([(queue, stop.kind, stop.ending, stop.id) for queue, stop in seen], [
                (1, due, outlive.Ending.CANCELLED, first), (0, due, outlive.Ending.SHUTDOWN, last), (0, drained, outlive.Ending.NONE, 0),
            ])
            self.assertTrue(engine.is_drained)

    def test_cancelled_by_id_and_time_left(self):
        with self.engine.begin(settings(max_execution_time="0", ignore_user_abort="On")) as request:
            self.assertIsNone(request.time_left)
            request.set_time_limit_ms(2500)
            self.assertTrue(1 < request.time_left <= 2.5)
            self.assertEqual(request.ini_get("max_execution_time"), "3")
            request.set_time_limit_ms(None)
            row, = self.engine.requests()
            self.assertEqual((row.id, request.time_left), (request.id, None))
            self.assertTrue(self.engine.cancel(request.id))
            self.assertFalse(request.cancel())
            self.assertEqual(request.time_left, 0)
            with self.assertRaises(outlive.Stop) as raised:
                request.check()
            self.assertEqual(raised.exception.ending, outlive.Ending.CANCELLED)
        self.assertEqual((request.ending, str(request.ending)), (outlive.Ending.CANCELLED, "cancelled"))
        self.assertRaises(outlive.NotFoundError, self.engine.cancel, row.id)
        with self.engine.begin(settings()) as request:
            request.set_time_limit_ms(0)
            wait_for(lambda: request.time_left == 0)
            self.assertTrue(request.should_stop())
        self.assertEqual(request.ending, outlive.Ending.TIME_LIMIT)

    def test_accepted_shut_down_and_told_at_the_end(self):
        told = []

        def on_ended(ending):
            told.append((ending, [row.id for row in self.engine.requests()]))
            raise LookupError("seen")

        request = self.engine.begin(settings(ignore_user_abort="Off"), key=b"a\0" + b"b" * 70, on_ended=on_ended)
        request.register_shutdown_function(told.append, "function")
        number = request.id
        self.assertTrue(request.set_accepted())
        self.assertFalse(request.set_accepted())
        request.client_gone()
        request.check()
        row, = self.engine.requests()
        self.assertEqual((len(row.key), row.accepted, row.resumed, row.ignores_abort), (64, True, False, True))
        self.assertEqual(request.shut_down(), outlive.Ending.COMPLETED)
        self.assertEqual((told, len(self.engine.requests())), (["function"], 1))
        self.assertRaises(outlive.StageError, request.set_accepted)
        self.assertRaises(LookupError, request.end)
        self.assertEqual(told, ["function", (outlive.Ending.COMPLETED, [number])])
        self.assertEqual((request.ending, self.engine.requests()), (outlive.Ending.COMPLETED, []))
        with self.engine.begin(settings(), key=b"again", resumed=True) as request:
            request.client_gone()
            request.check()
            row, = self.engine.requests()
            self.assertEqual((row.key, row.accepted, row.resumed, row.finished, row.gone), (b"again", True, True, True, None))
        self.assertEqual(request.ending, outlive.Ending.FINISHED)
        with self.engine.begin(settings()):
            row, = self.engine.requests()
            self.assertEqual((row.key, row.accepted, row.resumed), (b"", False, False))

    def test_stop_is_raised_at_a_safe_point_and_again(self):
        with self.engine.begin(settings()) as request:
            request.client_gone()
            self.assertTrue(request.should_stop())
            with self.assertRaises(outlive.Stop) as raised:
                request.check()
            self.assertEqual(raised.exception.ending, outlive.Ending.ABORTED)
            try:
                request.check()
            except Exception:
                self.fail("an Exception handler swallowed the stop")
            except outlive.Stop:
                pass
        self.assertEqual(request.ending, outlive.Ending.ABORTED)
        self.assertRaises(outlive.Stop, request.check)  # a thread that still works for it hears so

    def test_hold(self):
        reached = []
        with self.engine.begin(settings()) as request:
            with outlive.hold():
                with outlive.hold():
                    request.client_gone()
                    request.check()
                reached.append("B and C")
                request.check()
            reached.append("D")
        self.assertEqual(reached, ["B and C"])
        # Its own exception is what gets out of a hold that fails.
        with self.assertRaises(ZeroDivisionError):
            with self.engine.begin(settings()) as request, request.hold():
                request.client_gone()
                1 / 0
        self.assertEqual(request.ending, outlive.Ending.ABORTED)

    def test_output(self):
        out = []
        with self.engine.begin(settings(output_buffering="4096"), write=out.append, flush=lambda: out.append("flush")) as request:
            request.write(b"one ")
            request.write(b"two")
            self.assertEqual(out, [])
        self.assertEqual(out[0], b"one two")

        def broken(data):
            raise BrokenPipeError

        with self.engine.begin(settings(), write=broken) as request:
            self.assertRaises(outlive.Stop, request.write, b"x")
        with self.engine.begin(settings(ignore_user_abort="1"), write=broken) as request:
            request.write(b"x")
            self.assertTrue(request.is_gone)

        def wrong(data):
            raise RuntimeError("mine")

        request = self.engine.begin(settings(), write=wrong)
        with self.assertRaisesRegex(RuntimeError, "mine"):
            request.write(b"x")
        request.end()

    def test_finish(self):
        out = []
        with self.engine.begin(settings(), write=out.append) as request:
            request.write(b"thanks")
            self.assertTrue(request.finish())
            self.assertFalse(request.finish())
            request.write(b"late")
            request.client_gone()
            request.check()
        self.assertEqual((out, request.ending), ([b"thanks"], outlive.Ending.FINISHED))

    def test_shutdown_functions_under_failure(self):
        told = []
        request = self.engine.begin(settings())
        request.register_shutdown_function(told.append, 1)

        def fails():
            outlive.register_shutdown_function(told.append, "never")
            raise KeyboardInterrupt

        request.register_shutdown_function(fails)
        request.register_shutdown_function(told.append, "skipped, as by PHP")
        self.assertRaises(KeyboardInterrupt, request.end)
        self.assertTrue(request.ended)
        self.assertEqual((told, self.engine.requests()), ([1], []))
        told.clear()
        request = self.engine.begin(settings(outlive__shutdown="all"))
        request.register_shutdown_function(lambda: 1 / 0)
        request.register_shutdown_function(told.append, "all")
        self.assertRaises(ZeroDivisionError, request.end)
        self.assertEqual(told, ["all"])

    def test_exceptions_and_endings(self):
        for raised, ending in ((ValueError, outlive.Ending.HOST_ERROR), (SystemExit, outlive.Ending.SHUTDOWN)):
            told = []
            with self.assertRaises(raised):
                with self.engine.begin(settings()) as request:
                    request.register_shutdown_function(lambda: told.append(outlive.ending()))
                    raise raised
            self.assertEqual((told, request.ending), ([ending], ending))

    def test_time_limit(self):
        notify = make_notify()
        self.addCleanup(os.close, notify)
        with self.engine.begin(settings(max_execution_time="0", outlive__clock="wall"), notify=notify) as request:
            request.set_time_limit(1)
            self.assertTrue(select.select([notify], [], [], 20)[0], "the engine's thread did not tell")
            self.assertTrue(request.should_stop())
            self.assertEqual(request.connection_status, outlive.Connection.TIMEOUT)
        self.assertEqual(request.ending, outlive.Ending.TIME_LIMIT)
        locked = outlive.Config(values={}).resolve()
        with self.engine.begin(locked, reading_input=True) as request:
            self.assertRaises(outlive.StageError, request.set_time_limit, 1)
            request.run()

    def test_watched_socket(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        with self.engine.begin(settings(outlive__detect="watch"), socket=ours.fileno()) as request:
            request.check()
            self.assertTrue(self.engine.requests()[0].watched)
            theirs.close()
            wait_for(request.should_stop)
        self.assertEqual(request.ending, outlive.Ending.ABORTED)

    def test_threads(self):
        """A request may change threads; contexts carry the current one."""
        with self.engine.begin(settings()) as request:
            seen = []
            context = contextvars.copy_context()
            thread = threading.Thread(target=lambda: seen.append(context.run(outlive.current)))
            thread.start()
            thread.join()
            self.assertIs(seen[0], request)
            without = threading.Thread(target=lambda: seen.append(outlive.php_api._current.get()))
            without.start()
            without.join()
            self.assertIsNone(seen[1])

    def test_many_threads_tell_at_once(self):
        for _ in range(50):
            request = self.engine.begin(settings())
            threads = [threading.Thread(target=request.client_gone) for _ in range(4)]
            for thread in threads:
                thread.start()
            while not request.should_stop():
                pass
            request.end()
            for thread in threads:
                thread.join()

    def test_many_threads_begin_at_once(self):
        """Each gets the request that it began, whenever the interpreter changes threads."""
        found, wrong = settings(), []

        def work(name):
            for _ in range(1000):
                out = []
                with self.engine.begin(found, label=name, method=name, write=out.append) as request:
                    request.write(name.encode())
                if out != [name.encode()] or request.ending != outlive.Ending.COMPLETED:
                    wrong.append((name, out, request.ending))

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        self.addCleanup(sys.setswitchinterval, before)
        threads = [threading.Thread(target=work, args=("T%d" % at,)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((wrong, self.engine.requests()), ([], []))
        self.assertIn('outlive_requests_ended_total{ending="completed"} 4000', self.engine.metrics())

    def test_drain(self):
        request = self.engine.begin(settings())
        drained = []
        thread = threading.Thread(target=lambda: drained.append(self.engine.drain(0)))
        thread.start()
        wait_for(request.should_stop)
        self.assertEqual(request.end(), outlive.Ending.SHUTDOWN)
        thread.join()
        self.assertEqual(drained, [True])
        self.assertRaises(outlive.DrainingError, self.engine.begin, settings())

    def test_scoreboard(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "board"
            with outlive.Engine(scoreboard=path) as engine, engine.begin(settings(), label="/save", method="POST"):
                row, = outlive.read_scoreboard(path)
                self.assertEqual((row.process, row.unfinished, row.request.label), (os.getpid(), False, "/save"))
                self.assertEqual(row.request.time_limit, 30)
                self.assertGreater(row.request.time_left, 0)
            self.assertEqual(outlive.read_scoreboard(path), [])
            path.write_text("no scoreboard")
            with self.assertRaises(outlive.Error) as raised:
                outlive.read_scoreboard(path)
            self.assertIn("board", str(raised.exception))

    def test_scoreboard_of_a_process_that_died(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "board")
            subprocess.run([sys.executable, "-c", textwrap.dedent("""
                import os, outlive, sys
                engine = outlive.Engine(scoreboard=sys.argv[1])
                assert engine.publishes
                engine.begin(outlive.Config().resolve(), label="/lost")
                os._exit(0)
            """), path], check=True, timeout=60)
            row, = outlive.read_scoreboard(path)
            self.assertEqual((row.unfinished, row.request.label), (True, "/lost"))
            with outlive.Engine(scoreboard=path) as engine, engine.begin(settings(), label="/here"):
                self.assertEqual(outlive.clear_scoreboard(path), 1)
                self.assertEqual([row.request.label for row in outlive.read_scoreboard(path)], ["/here"])
            self.assertRaises(outlive.ConfigError, outlive.clear_scoreboard, path + ".none")
        self.assertFalse(self.engine.publishes)

    def test_metrics(self):
        self.engine.begin(settings()).end()
        self.assertRegex(self.engine.metrics(), r"(?m)^outlive_\w+.* \d")

    def test_locked(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "httpd.conf"
            path.write_text("LoadModule php_module modules/libphp.so\nphp_admin_flag ignore_user_abort on\nphp_admin_value max_execution_time 5\n")
            locked = outlive.Config(httpd_conf=path).resolve()
        with self.engine.begin(locked) as request:
            self.assertTrue(request.ignore_user_abort(False))
            self.assertTrue(request.ignore_user_abort())
            self.assertRaises(outlive.LockedError, request.set_time_limit, 1)
            self.assertRaises(outlive.LockedError, request.ini_set, "ignore_user_abort", "0")

    def test_what_a_program_sets_acts(self):
        with self.engine.begin(settings(ignore_user_abort="1")) as request:
            request.client_gone()
            request.ini_set("outlive.max_detached_time", "1")
            request.ini_set("outlive.clock", "wall")
            until = time.monotonic() + 10
            while time.monotonic() < until and not request.should_stop():
                time.sleep(0.01)
            self.assertEqual(request.ending, outlive.Ending.ABORTED)
            self.assertRaises(outlive.AccessError, request.ini_set, "outlive.detect", "watch")


class Processes(unittest.TestCase):
    """What needs a process of its own."""

    def python(self, text, expect=0, **environment):
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
            env={**os.environ, **environment},
        )
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def test_fork(self):
        said = self.python("""
            import os, outlive
            engine, settings = outlive.Engine(), outlive.Config().resolve()
            request = engine.begin(settings)
            request.register_shutdown_function(lambda: print("ended in", "parent" if os.getpid() == parent else "child", flush=True))
            parent = os.getpid()
            child = os.fork()
            if child == 0:
                for call in (request.check, request.end, lambda: engine.begin(settings), lambda: engine.drain(0)):
                    try:
                        call()
                    except outlive.ForkedError as why:
                        print("refused", flush=True)
                own = outlive.Engine()
                with own.begin(settings):
                    outlive.check()
                raise SystemExit(0)
            assert os.waitpid(child, 0)[1] == 0
            request.check()
        """)
        self.assertEqual(said.splitlines(), ["refused"] * 4 + ["ended in parent"])

    def test_at_exit_what_nobody_ended_is_ended(self):
        said = self.python("""
            import outlive
            engine, settings = outlive.Engine(), outlive.Config().resolve()
            engine.begin(settings).register_shutdown_function(lambda: 1 / 0)
            engine.begin(settings).register_shutdown_function(lambda: print(outlive.ending()))
        """)
        self.assertTrue(said.endswith("shutdown\n"), said)
        self.assertIn("ZeroDivisionError", said)

    def test_exit_with_a_due_limit_and_daemon_threads(self):
        """The engine's thread tells of stops while the interpreter goes down: it must never want to run Python."""
        self.python("""
            import outlive, threading, time
            from outlive.engine import make_notify
            engine, settings = outlive.Engine(), outlive.Config(values={"outlive.clock": "wall"}).resolve()
            notify = make_notify()
            def work():
                with engine.begin(settings, notify=notify) as request:
                    request.set_time_limit(1)
                    while True:
                        request.should_stop()
            for _ in range(4):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.95)
        """)

    @unittest.skipIf(sys.version_info >= (3, 15), "the module has another name")
    def test_sub_interpreters_are_refused(self):
        self.python("""
            try:
                import _interpreters as interpreters
            except ImportError:
                import _xxsubinterpreters as interpreters
            import outlive
            there = interpreters.create(*(["legacy"] if hasattr(interpreters, "new_config") else []))
            text = '''
            try:
                import outlive
            except ImportError as why:
                # Python 3.12 and later may refuse ctypes itself, before we can say why.
                assert "sub-interpreter" in str(why) or "interpreters" in str(why), why
            else:
                raise SystemExit("not refused")
            '''
            import textwrap
            failed = interpreters.run_string(there, textwrap.dedent(text))
            assert not failed, failed
        """)

    def test_another_version_of_the_library_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            source, library = os.path.join(directory, "other.c"), os.path.join(directory, "other.so")
            from outlive import _prototypes
            with open(source, "w") as file:
                for name in _prototypes.FUNCTIONS:
                    file.write("const char *%s(void) { return \"0.9.4\"; }\n" % name)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
            said = self.python("import outlive", 1, OUTLIVE_LIBRARY=library)
            self.assertIn("is outlive 0.9.4, but this package is", said)
            with open(source, "w") as file:
                file.write("int nothing;\n")
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
            said = self.python("import outlive", 1, OUTLIVE_LIBRARY=library)
            self.assertRegex(said, "ImportError: outlive's native library cannot be used.*undefined symbol")


if __name__ == "__main__":
    unittest.main()
