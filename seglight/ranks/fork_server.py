"""First among what the process imports that jobs and ranks are forked from: a stop signal is not for it.

A signal to a whole group (`timeout`, scancel) would end it before those that it forked have saved.
"""

import signal
import sys

IGNORED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)  # SIGINT is ignored by Python's own

if any("multiprocessing.forkserver" in argument for argument in sys.orig_argv):
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
