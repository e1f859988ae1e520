"""Records of processes, by which a later command recognises them, even if the clock was set in between.

Every command may look for a running platform, so this module imports nothing that takes long.
"""

import time
from dataclasses import dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessRecord:
    """A process that the platform started.

    Attributes
    ----------
    pid : int
    started : float
        When it started, in seconds since 1970, as the clock was then.
    identity : str
        What distinguishes it from a later process with the same pid; see `identity_of`.
    """

    pid: int
    started: float
    identity: str = ""

    @staticmethod
    def of(pid: int) -> "ProcessRecord":
        """Return the record of a process that has just been started."""
        return ProcessRecord(pid, time.time(), identity_of(pid) or "")

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return bool(self.identity) and identity_of(self.pid) == self.identity


def identity_of(pid: int) -> str | None:
    """Return what distinguishes a running process from every other one with its pid; None if no such process runs.

    On Linux: the id of the boot, and the clock ticks from boot to the start of the process. Setting the clock changes
    neither. Elsewhere: the time at which the process started.
    """
    if _BOOT.exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # its name may contain anything
            return None if fields[0] in {"Z", "X"} else f"{_BOOT.read_text().strip()}/{fields[19]}"
        except (FileNotFoundError, ProcessLookupError):
            return None
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
