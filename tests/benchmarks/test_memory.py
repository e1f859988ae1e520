"""The watchdog: a limit holds for all processes of a run together."""

import signal
import sys

from benchmarks.memory import run_limited

HOLD = "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); time.sleep(float(sys.argv[2]))"
SURVIVE = HOLD + "; print('survived')"
TWO_IN_THEIR_OWN_SESSIONS = f"""
import subprocess, sys
held = [subprocess.Popen([sys.executable, "-c", {SURVIVE!r}, "150", "30"], start_new_session=True) for _ in range(2)]
print([process.wait() for process in held])
"""


def test_a_run_within_its_limit_tells_its_peak():
    run = run_limited([sys.executable, "-c", HOLD + "; print(len(held))", "100", "0.7"], 400 << 20)
    assert (run.returncode, run.exceeded, run.output.strip()) == (0, False, str(100 << 20))
    assert 100 << 20 < run.peak < 200 << 20
    assert run.enforcement == "watchdog"


def test_processes_that_pass_the_limit_together_are_all_ended():
    run = run_limited([sys.executable, "-c", TWO_IN_THEIR_OWN_SESSIONS], 250 << 20)
    assert run.exceeded
    assert run.returncode == -signal.SIGKILL
    assert run.peak > 250 << 20
    # The output ends when all who hold it have ended; one that was spared would have come to its last word.
    assert run.output == ""


def test_a_run_past_its_time_is_ended_and_did_not_exceed_its_memory():
    run = run_limited([sys.executable, "-c", SURVIVE, "1", "60"], 1 << 30, timeout=0.5)
    assert (run.returncode, run.exceeded, run.output) == (-signal.SIGKILL, False, "")
