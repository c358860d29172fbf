"""Commands as processes of their own without the seconds that their imports take: one process imports, then forks.

`python -m tests.forking` reads a request a line from stdin and answers with the exit code of the child that it forked.
A child has its own arguments, environment, folder, output and random state, and ends as any Python process does.
"""

from __future__ import annotations

import json
import os
import random
import runpy
import subprocess
import sys
import tempfile
import threading
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from seglight.ranks.forking import PRELOADED

REPO = Path(__file__).resolve().parents[1]
Ended: TypeAlias = subprocess.CompletedProcess[str]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)}


class Forking:
    """`run` is `subprocess.run` for `python -m MODULE` or `python -c CODE`."""

    @cached_property
    def process(self) -> subprocess.Popen[str]:
        """The process that forks, from its first use on."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.forking"], cwd=REPO, env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float) -> Ended:
        """`arguments` are what follows `python`: -m or -c, the module or the code, its own arguments."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            files = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)]
            request = {"arguments": arguments, "cwd": str(cwd), "env": env, "files": files, "timeout": timeout}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            code = int(self.process.stdout.readline())
            out.seek(0)
            err.seek(0)
            return Ended(arguments, code, out.read(), err.read())

    def close(self) -> None:
        if "process" in vars(self):
            self.process.kill()
            self.process.communicate()


def serve() -> None:
    """Returns in the children; ends with stdin."""
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
            return
        killer = threading.Timer(request["timeout"], os.kill, (pid, 9))
        killer.start()
        _, status = os.waitpid(pid, 0)
        killer.cancel()
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(request: dict[str, Any]) -> None:
    """Makes this process what was asked for, and runs it."""
    import numpy as np

    for number, (path, flags) in enumerate([(os.devnull, os.O_RDONLY), *((f, os.O_WRONLY) for f in request["files"])]):
        os.dup2(os.open(path, flags), number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    np.random.seed()
    random.seed()
    kind, what, *arguments = request["arguments"]
    sys.argv, sys.path[0] = [what, *arguments], ""
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = "-c"
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    for name in (*PRELOADED, "matplotlib.figure"):
        import_module(name)
    serve()
