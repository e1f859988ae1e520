"""The platform's private folder: which processes run, at which addresses, and where their logs are.

Every command looks here for a running platform, so this module imports nothing that takes long.
"""

import fcntl
import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.errors import InvalidInputError
from flows.platform.process_records import ProcessRecord

HOME_VARIABLE = "RUMORMILL_HOME"
COMPONENTS = ("server", "worker", "runner")
"""The processes of a platform, in the order in which they start."""
READ_AT_IMPORT = (
    *("DASK_", "MKL_", "MPL", "NUMBA_", "OMP_", "OPENBLAS_", "PREFECT_", "RUMORMILL_HOME"),
    *("PYTHONHASHSEED", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONUTF8", "PYTHONWARNINGS"),
)
"""Beginnings of environment variables that libraries read when they are imported."""
MARK = "RUMORMILL_PLATFORM"
"""Environment variable of all processes below a platform; its value is the private folder."""
ENVIRONMENT = {name: value for name, value in sorted(os.environ.items()) if name.startswith(READ_AT_IMPORT)}
"""Those variables as this process was given them, before it sets defaults of its own."""
RUNNER_SECONDS = 3.0
"""Time that the runner has to accept a connection; it does nothing that takes longer than starting a process."""
LONGEST_ADDRESS = 104
"""Bytes of the address of a Unix socket on macOS, with the null byte at its end; Linux allows 108."""
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data", "propagation", "analytics", "flows")


@dataclass
class PlatformState:
    """What is known of the platform between two commands.

    Attributes
    ----------
    port : int
        Port of Prefect's server on 127.0.0.1, kept from one start to the next.
    database : str or None
        URL of the server's database; None for SQLite in the private folder.
    runs_at_once : int
        Scheduled runs that the worker executes at the same time.
    processes : dict
        The processes that were started, by component.
    code : str
        Fingerprint of the code that they run.
    environment : dict
        Variables that were read when the runner's libraries were imported.
    """

    port: int = 0
    database: str | None = None
    runs_at_once: int = 1
    processes: dict[str, ProcessRecord] = field(default_factory=dict)
    code: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def runs(self, component: str) -> bool:
        """Whether a component's process is alive."""
        return component in self.processes and self.processes[component].alive

    @property
    def address(self) -> str:
        """Address of Prefect's UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """URL of Prefect's API."""
        return f"{self.address}/api"


class PlatformHome:
    """The private folder; only its owner may read it.

    Parameters
    ----------
    folder : path, optional
        Default: RUMORMILL_HOME, else ``rumormill`` in the user's folder for state.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        chosen = folder or os.environ.get(HOME_VARIABLE) or _default_folder()
        self.folder = Path(chosen).expanduser().absolute()
        self.state_file = self.folder / "platform.json"
        self.prefect = self.folder / "prefect"
        self.logs = self.folder / "logs"
        self.socket = self.folder / "runner.socket"

    def make(self) -> None:
        """Create the folders, for their owner only.

        Raises
        ------
        InvalidInputError
            If the path of the folder is too long for the address of a Unix socket.
        """
        length, whole = len(os.fsencode(self.folder)), len(os.fsencode(self.socket))
        if whole >= LONGEST_ADDRESS:
            most = LONGEST_ADDRESS - 1 - (whole - length)
            raise InvalidInputError(
                f"the path of the platform's folder, {str(self.folder)!r}, has {length} bytes; the Unix socket in it "
                f"allows {most}: set {HOME_VARIABLE} to a folder with a shorter path"
            )
        for folder in (self.folder, self.prefect, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def read(self) -> PlatformState:
        """Return the state; an empty one if the platform was never started."""
        try:
            content: dict[str, Any] = json.loads(self.state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return PlatformState()
        processes = {name: ProcessRecord(**process) for name, process in content.pop("processes", {}).items()}
        known = {key: value for key, value in content.items() if key in PlatformState.__dataclass_fields__}
        return PlatformState(**known, processes=processes)

    def write(self, state: PlatformState) -> None:
        """Replace the state in one step."""
        new = self.state_file.with_suffix(f".{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
        new.replace(self.state_file)

    def runner_responds(self) -> bool:
        """Whether the runner accepts connections: it closes one that ends without a request."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(RUNNER_SECONDS)
            connection.connect(str(self.socket))
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(1) == b""
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let only one command at a time start or stop processes."""
        self.make()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _default_folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "rumormill"


def running_api_url() -> str | None:
    """Return the URL of the running platform's Prefect API, or None if no platform runs."""
    with suppress(OSError, RuntimeError):
        state = PlatformHome().read()
        if state.runs("server"):
            return state.api_url
    return None


def code_fingerprint() -> str:
    """Return a fingerprint of the installed code: interpreter, and size and time of each of our files."""
    digest = hashlib.sha256(sys.version.encode() + sys.executable.encode())
    for package in PACKAGES:
        for folder, folders, files in os.walk(ROOT / package):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(files):
                if name.endswith((".py", ".sql", ".html")):
                    found = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 (a tenth of the time)
                    digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
