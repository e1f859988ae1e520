"""The processes of a platform: ``python -m flows.platform.processes server|worker|runner ...``.

Whatever a process and its children print goes to one log file, which is rotated.
"""

import os
import runpy
import sys
from pathlib import Path

from flows.platform.logs import redirect_output


def main() -> None:
    """Run a component until it is asked to end."""
    component, log, *arguments = sys.argv[1:]
    if component == "runner":
        from flows.platform import warm_runner

        warm_runner.serve(Path(arguments[0]), Path(log))
        return
    if component == "server":
        os.umask(0o077)  # for the database
    redirect_output(Path(log))
    sys.argv = ["prefect", component, "start", *arguments]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main()
