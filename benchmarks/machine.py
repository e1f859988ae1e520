"""The machine of a measurement: processor, cores, memory, versions and load."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
OWN_PACKAGES = ("numba", "numpy", "dask", "distributed", "pandas", "pyarrow")


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(packages: Iterable[str]) -> str:
    """Return the versions of packages as text."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def commit() -> str:
    """Return the current commit, with a plus sign if packages differ from it; empty outside Git."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "data", "propagation"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "")


def load() -> str:
    """Return the load averages over the last 1 and 5 minutes."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} over 1 minute, {five:.1f} over 5"


def described(packages: Iterable[str] = ()) -> str:
    """Return the machine as a sentence."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()}, Python "
        f"{platform.python_version()}, {versions([*OWN_PACKAGES, *packages])}; commit {commit()}"
    )
