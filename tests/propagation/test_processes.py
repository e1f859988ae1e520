"""Forked processes and scripts without a main guard: they work, or say at once what to do; they never hang."""

import os
import subprocess
import sys
import textwrap

import pytest

DEADLINE = 180
"""Seconds; ends a script that hangs, on a busy machine too."""
PRELUDE = """
import multiprocessing, os, sys
from data import Warehouse
from propagation import simulate
from propagation.clusters import ClusterProfile, connect
from propagation.models import IndependentCascade

network = Warehouse("warehouse").generate_network("g", "erdos_renyi", agents=50, edges=200)

def reach(random_seed, **options):
    fields = {"seed_set": ["1"], "replicates": 5, "random_seed": random_seed, "publish": False} | options
    return simulate(network, IndependentCascade(probability=0.3), **fields).reach.mean
"""


@pytest.fixture
def script(tmp_path):
    """Run a script in a folder of its own; return what it wrote, and its exit code."""

    def script(text, *arguments):
        file = tmp_path / "script.py"
        file.write_text(PRELUDE + textwrap.dedent(text))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.run(
            [sys.executable, *(arguments or [str(file)])],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    return script


@pytest.mark.xdist_group("processes")
def test_a_forked_process_simulates_as_its_parent_does(script):
    ended = script("""
        before = [reach(1), reach(2), reach(2, publish=True)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(reach, [1, 2]) == before[:2]
        child = os.fork()
        if not child:
            assert reach(2, plan="partitioned") == reach(2, publish=True) == before[1]
            assert network.warehouse.read("propagation_sessions").num_rows == 1
            sys.exit(7)  # runs what is to be done at exit
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        print(reach(1) == before[0])
    """)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("True\n", "", 0)


@pytest.mark.xdist_group("processes")
def test_a_client_of_before_the_fork_is_refused_at_once(script):
    ended = script("""
        with connect(ClusterProfile(kind="threads", workers=1, threads_per_worker=1)) as client:
            reach(1, client=client)
            if not (child := os.fork()):
                try:
                    reach(1, client=client)
                except ConnectionError as error:
                    print(error, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(reach(1, client=client) == reach(1))
    """)
    refusal, parent = ended.stdout.splitlines()
    assert "this Dask client was made before the process was forked" in refusal
    assert (parent, ended.stderr) == ("True", "")


UNGUARDED = """
print("starts", __name__)
def work():
    with connect(ClusterProfile(kind="processes", workers=1)) as client:
        print(client.submit(sum, [1, 2]).result())
"""


@pytest.mark.parametrize("arguments", [(), ("-m", "script")])
def test_a_script_without_main_guard_is_told_so_before_processes_start(script, arguments):
    ended = script(UNGUARDED + "\n\nwork()\n", *arguments)
    assert ended.stdout == "starts __main__\n"
    last = ended.stderr.splitlines()[-1]
    line = len((PRELUDE + UNGUARDED + "\n\n").splitlines()) + 1
    assert f"script.py, line {line}: worker processes import this script, and would run it again: put the" in last
    assert '`if __name__ == "__main__":`' in last
    assert ended.stderr.count("Traceback") == 1
    assert ended.returncode == 1


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("call", ['if __name__ == "__main__":\n    work()', 'if "__main__" == __name__:\n    work()'])
def test_a_script_with_main_guard_starts_processes(script, call):
    ended = script(UNGUARDED + "\n" + call)
    assert ended.stdout.splitlines() == ["starts __main__", "starts __mp_main__", "3"]
    assert ended.returncode == 0


@pytest.mark.xdist_group("processes")
def test_processes_that_cannot_start_are_told_in_a_sentence(script):
    ended = script(
        UNGUARDED
        + """
import propagation.processes
propagation.processes._unguarded_call = lambda: None  # as if nothing could be seen in the script
try:
    work()
except ConnectionError as error:
    print(error)
"""
    )
    assert ended.stdout.splitlines()[:2] == ["starts __main__", "starts __mp_main__"]
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("the cluster's workers did not start (")
    assert '`if __name__ == "__main__":`' in last


def test_a_process_of_a_pool_starts_no_workers(script):
    ended = script("""
        def start(number):
            try:
                with connect(ClusterProfile(kind="processes", workers=1)):
                    pass
            except ValueError as error:
                return str(error)

        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                print(*pool.map(start, [1]))
    """)
    assert "a process of a multiprocessing.Pool may not start worker processes" in ended.stdout
    assert (ended.stderr, ended.returncode) == ("", 0)
