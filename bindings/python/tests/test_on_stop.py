"""on_stop: callbacks that cancel what blocks."""

import os
import threading
import unittest

import outlive

STOP = {"outlive.disconnect": "stop"}


class Callbacks(unittest.TestCase):
    def begin(self, values=STOP):
        engine, config = outlive.Engine(), outlive.Config(values=values)
        self.addCleanup(engine.close)
        return engine.begin(config.resolve(), label="/", method="POST")

    def test_a_call_that_blocks_is_cancelled(self):
        """What it raises becomes Stop."""
        cancelled, threads = threading.Event(), []

        def cancel(what):
            threads.append(threading.get_ident())
            what.set()

        reached = []
        with self.begin() as request:
            with outlive.on_stop(cancel, cancelled) as handle:
                threading.Timer(0.1, request.client_gone).start()
                self.assertTrue(cancelled.wait(30))
                raise ValueError("the query was cancelled")
            reached.append("never")
        self.assertEqual((reached, handle.fired, request.ending), ([], True, outlive.Ending.ABORTED))
        self.assertNotEqual(threads, [threading.get_ident()])

    def test_again_while_it_is_in_place(self):
        """The first one may come before the call that it is for has begun."""
        calls, thrice = [], threading.Event()

        def cancel():
            calls.append(1)
            if len(calls) == 3:
                thrice.set()

        with self.begin() as request:
            with outlive.on_stop(cancel):
                request.client_gone()
                self.assertTrue(thrice.wait(30))
            calls.append("never")
        count = len(calls)
        self.assertFalse(threading.Event().wait(0.6))
        self.assertEqual((len(calls), request.ending), (count, outlive.Ending.ABORTED))

    def test_not_within_a_hold(self):
        called = threading.Event()
        with self.begin() as request:
            with outlive.on_stop(called.set):
                with outlive.hold():
                    request.client_gone()
                    self.assertFalse(called.wait(0.3))
        self.assertEqual((called.is_set(), request.ending), (False, outlive.Ending.ABORTED))

    def test_behind_a_hold_that_failed(self):
        called = threading.Event()
        with self.begin() as request:
            with outlive.on_stop(called.set):
                try:
                    with outlive.hold():
                        request.client_gone()
                        raise ValueError
                except ValueError:
                    self.assertTrue(called.wait(30))
        self.assertEqual(request.ending, outlive.Ending.ABORTED)

    def test_one_that_was_removed_is_not_called(self):
        called = threading.Event()
        with self.begin() as request:
            with outlive.on_stop(called.set):
                pass
            request.client_gone()
            self.assertFalse(called.wait(0.2))

    def test_removal_waits_for_one_that_runs(self):
        order, began = [], threading.Event()

        def slow():
            began.set()
            threading.Event().wait(0.2)
            order.append("called")

        with self.begin() as request:
            handle = outlive.on_stop(slow)
            request.client_gone()
            self.assertTrue(began.wait(30))
            handle.remove()
            order.append("removed")
        self.assertEqual(order, ["called", "removed"])

    def test_a_time_limit_and_a_callback_that_fails(self):
        values = {"outlive.clock": "wall", "max_execution_time": "1"}
        with self.assertLogs("outlive", "ERROR"), self.begin(values) as request:
            done = threading.Event()
            outlive.on_stop(lambda: 1 / 0)
            with outlive.on_stop(done.set):
                self.assertTrue(done.wait(30))
        self.assertEqual(request.ending, outlive.Ending.TIME_LIMIT)

    def test_work_that_goes_on_is_not_disturbed(self):
        called = threading.Event()
        with self.begin({"outlive.disconnect": "finish"}) as request:
            with outlive.on_stop(called.set):
                request.client_gone()
                self.assertFalse(called.wait(0.2))
        self.assertEqual(request.ending, outlive.Ending.COMPLETED)

    def test_in_a_forked_child(self):
        with self.begin():
            outlive.on_stop(lambda: None)  # the parent has its thread
        child = os.fork()
        if child == 0:
            code = 1
            try:
                called = threading.Event()
                with outlive.Config(values=STOP) as config, outlive.Engine() as engine, engine.begin(config.resolve()) as request:
                    with outlive.on_stop(called.set):
                        request.client_gone()
                        code = 0 if called.wait(30) else 2
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


if __name__ == "__main__":
    unittest.main()
