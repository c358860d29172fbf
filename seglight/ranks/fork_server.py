"""First among what the process imports that jobs and ranks are forked from: a stop signal is not for it.

A signal to a whole group (`timeout`, scancel) would end it before those that it forked have saved. SIGUSR2, SLURM's
word to the launcher alone, is ignored in those too.
"""

import signal
import sys

STOPS = (signal.SIGTERM, signal.SIGHUP)  # SIGINT is ignored by Python's own

if any("multiprocessing.forkserver" in argument for argument in sys.orig_argv):
    for number in (*STOPS, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
