"""Dask clusters started from the shell: a scheduler and two workers, as a user would start them."""

import contextlib
import os
import socket
import subprocess
import sys


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def shell_cluster(port, folder):
    """Start a scheduler and two workers as a user would; give the processes, the scheduler first."""
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = [["scheduler", "--port", str(port), *here]]
    worker = ["worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    commands += [[*worker, *here]] * 2
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    settings = os.environ | {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
    started = [
        subprocess.Popen([sys.executable, "-m", "dask", *command], cwd=folder, env=settings, **quiet)
        for command in commands
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
