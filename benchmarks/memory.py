"""Running a command under a memory limit for all its processes together.

    python -m benchmarks.memory --limit 8 -- python my_run.py

A watchdog sums the proportional set sizes (PSS, /proc/PID/smaps_rollup) of the command and all its descendants, five
times a second, and kills them when the sum exceeds the limit. PSS counts each page once, however many processes map
it, including mapped files, but not the page cache. With `--cgroup FOLDER`, a writable memory cgroup (v1 or v2), the
kernel enforces the limit in a group made inside it, and includes the page cache.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

GIB = 2**30
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Run:
    """The result of a command under a memory limit.

    Attributes
    ----------
    seconds : float
        From start to end.
    peak : int
        Largest observed sum of PSS, bytes.
    limit : int
        Bytes.
    enforcement : str
        ``watchdog`` or ``cgroup v1`` or ``cgroup v2``.
    exceeded : bool
        Whether it was killed for exceeding the limit.
    returncode : int
    output : str
        Standard output of the command.
    group_peak : int or None
        The cgroup's own peak, page cache included, bytes.
    """

    seconds: float
    peak: int
    limit: int
    enforcement: str
    exceeded: bool
    returncode: int
    output: str
    group_peak: int | None = None


def run_limited(
    command: Sequence[str],
    limit: int,
    *,
    cgroup: Path | None = None,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a command, and kill it and its descendants when their memory exceeds the limit.

    Parameters
    ----------
    command : sequence of str
    limit : int
        Bytes.
    cgroup : Path, optional
        Memory cgroup in which to make a group; default: only the watchdog.
    timeout : float, optional
        Seconds after which the command is killed.
    environment : mapping, optional
        Further environment variables.
    """
    with _group(cgroup, limit) as group:
        started = time.perf_counter()
        joined = [] if group is None else ["sh", "-c", f'echo $$ > "{group / "cgroup.procs"}"; exec "$@"', "sh"]
        process = subprocess.Popen(
            [*joined, *command],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        watchdog = Watchdog(process.pid, limit, None if timeout is None else started + timeout)
        with watchdog:
            output, _ = process.communicate()
        seconds = time.perf_counter() - started
        group_peak, killed = (None, False) if group is None else _group_result(group)
        return Run(
            seconds,
            watchdog.peak,
            limit,
            "watchdog" if group is None else f"cgroup {'v2' if _is_v2(group) else 'v1'}",
            watchdog.exceeded or killed,
            process.returncode,
            output,
            group_peak,
        )


class Watchdog:
    """A thread that sums the memory of a process and its descendants, and kills them when it exceeds a limit.

    Parameters
    ----------
    pid : int
        The process, leader of its own session.
    limit : int
        PSS in bytes.
    deadline : float, optional
        Time of `time.perf_counter` at which they are killed in any case.
    """

    def __init__(self, pid: int, limit: int, deadline: float | None = None) -> None:
        self._pid, self._limit, self._deadline = pid, limit, deadline
        self._known = {pid}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory watchdog", daemon=True)
        self.peak = 0
        self.exceeded = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            processes = self._processes()
            self.peak = max(self.peak, sum(map(pss, processes)))
            late = self._deadline is not None and time.perf_counter() > self._deadline
            if self.peak > self._limit or late:
                self.exceeded = self.peak > self._limit
                for process in processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """Return the command's processes: those in its session, and descendants of processes seen before."""
        table = dict(_process_table())
        chosen = {pid for pid, (_, session) in table.items() if session == self._pid or pid in self._known}
        grown = True
        while grown:
            children = {pid for pid, (parent, _) in table.items() if parent in chosen} - chosen
            chosen |= children
            grown = bool(children)
        self._known = chosen
        return sorted(chosen)


def pss(pid: int) -> int:
    """Return the proportional set size of a process, bytes; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _process_table() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each process with its parent and its session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if fields[0] != "Z":
                    yield int(entry.name), (int(fields[1]), int(fields[3]))


@contextlib.contextmanager
def _group(parent: Path | None, limit: int) -> Iterator[Path | None]:
    """Make a memory cgroup with a limit inside another, and remove it afterwards."""
    if parent is None:
        yield None
        return
    group = parent / f"rumormill-{uuid.uuid4().hex[:8]}"
    group.mkdir()
    try:
        limits = group / ("memory.max" if _is_v2(group) else "memory.limit_in_bytes")
        limits.write_text(str(limit), encoding="ascii")
        yield group
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


def _is_v2(group: Path) -> bool:
    return (group / "memory.max").exists()


def _group_result(group: Path) -> tuple[int | None, bool]:
    """Return the group's peak, and whether the kernel killed one of its processes."""
    names = ("memory.peak", "memory.events") if _is_v2(group) else ("memory.max_usage_in_bytes", "memory.oom_control")
    peak, events = (path.read_text(encoding="ascii") if (path := group / name).exists() else "" for name in names)
    kills = dict(line.split()[:2] for line in events.splitlines()).get("oom_kill", "0")
    return (int(peak) if peak else None), kills != "0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=8.0, help="memory limit, GiB")
    parser.add_argument("--cgroup", type=Path, help="memory cgroup in which to make a group; default: a watchdog")
    parser.add_argument("--timeout", type=float, help="longest time, seconds")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    run = run_limited(command, int(options.limit * GIB), cgroup=options.cgroup, timeout=options.timeout)
    sys.stdout.write(run.output)
    print(json.dumps({key: value for key, value in asdict(run).items() if key != "output"}), file=sys.stderr)
    sys.exit(run.returncode if run.returncode >= 0 else 1)


if __name__ == "__main__":
    main()
