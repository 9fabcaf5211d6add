"""Runs a command on a terminal of its own, and says what was seen there: `on_terminal.py COMMAND …`."""

import os
import pty
import sys

status = pty.spawn(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(status))
