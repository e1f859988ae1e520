"""Parts of the platform without its processes: logs, records of processes, the address of its socket."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import InvalidInputError
from flows.platform import logs, process_records
from flows.platform.home import PlatformHome
from flows.platform.process_records import ProcessRecord


@pytest.mark.parametrize("direct", [False, True])
def test_logs_are_rotated(tmp_path: Path, direct: bool) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from flows.platform import logs\n"
        "logs.LOG_BYTES, path = 200, Path(sys.argv[1])\n"
        f"log = {'logs.DirectLog(path)' if direct else 'logs.redirect_output(path)'}\n"
        f"if {direct}: log.open()\n"
        "for number in range(100):\n"
        f"    if {direct}: log.rotate_if_full()\n"
        "    os.write(1, b'line %03d\\n' % number)\n"
        "while not path.exists() or '099' not in path.read_text(): time.sleep(0.01)\n"
    )
    path = tmp_path / "component.log"
    ended = subprocess.run([sys.executable, "-c", script, str(path)], cwd=Path(logs.__file__).parents[2])
    assert ended.returncode == 0
    kept = sorted(tmp_path.iterdir())
    assert [file.name for file in kept] == ["component.log", *(f"component.log.{n}" for n in (1, 2, 3))]
    assert all(file.stat().st_size <= 220 for file in kept)
    assert path.read_text().endswith("line 099\n")


def test_a_process_is_recognised_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        monkeypatch.setattr(process_records.time, "time", lambda: 0.0)  # the clock is set back to 1970
        record = ProcessRecord.of(process.pid)
        monkeypatch.undo()
        assert record.alive
        assert not ProcessRecord(process.pid, record.started, ProcessRecord.of(os.getpid()).identity).alive
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and waits for its parent
        assert not record.alive
    assert not record.alive


def test_records_of_earlier_versions_are_not_taken_for_running() -> None:
    assert not ProcessRecord(os.getpid(), 0.0).alive


def test_a_folder_with_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    home = PlatformHome(tmp_path / ("x" * 100))
    with pytest.raises(InvalidInputError, match=r"has 1\d\d bytes; the Unix socket in it allows 89: set"):
        home.make()
    assert not home.folder.exists()
    assert not home.runner_responds()
