"""Processes that die at a system call, and what they leave.

`main` runs in a process of its own, since it forks: each child works on a copy of a warehouse and ends, without any
clean-up, at its n-th system call that changes the disk; its parent looks at what is left.
"""

import datetime as dt
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.facade import Warehouse
from data.warehouse import log
from data.warehouse.deletion import delete
from data.warehouse.dependents import session_deletion
from data.warehouse.maintenance import compact, expire, sweep
from tests.data.publications import add_tables, cascades, change, counters, names, publish, values_of

CALLS = ("link", "fsync", "replace", "unlink")
DIED = 77
State = tuple[dict[str, int], dict[str, int], tuple[str, ...]]


def die_at(last: int) -> None:
    """End this process at a system call that changes the disk, counted from 1."""
    made = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made == last:
                os._exit(DIED)
            return call(*args, **options)

        return counting

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def prepared(folder: Path) -> Warehouse:
    """Make a warehouse one publication before its log's next checkpoint: sessions in shared files, and changed keys."""
    warehouse = Warehouse(folder)
    for session in "ab":
        publish(warehouse, session, replicates=2)
    with warehouse.staging("cascades") as staged:
        staged.write(cascades("c", 2))
        staged.write(cascades("d", 2))
    warehouse.commit("sessions", ["session/c", "session/d"], [staged.file])
    change(warehouse, counters(x=1, y=1))
    change(warehouse, counters(x=2), names("y"))
    return warehouse


def state(warehouse: Warehouse) -> State:
    """What a warehouse says to whoever opens it now."""
    found = warehouse.read("cascades")["session_id"].to_pylist()
    keys = sorted(warehouse.published(f"session/{name}" for name in "abcdefgh"))
    rows = warehouse.read("reach")["session_id"].to_pylist()
    assert {f"session/{session}" for session in rows} <= set(keys)
    return values_of(warehouse), {session: found.count(session) for session in found}, tuple(keys)


def commit_two(warehouse: Warehouse) -> None:
    """Publish what is not there yet: a session in two tables, and a change of a keyed table."""
    if warehouse.find("session/e") is None:
        publish(warehouse, "e", replicates=2)
    if "z" not in values_of(warehouse):
        change(warehouse, counters(z=1))


def expire_history(warehouse: Warehouse) -> None:
    """Give up every past state."""
    expire(warehouse, dt.timedelta(0), -60.0)


def expire_all(warehouse: Warehouse) -> None:
    """Compact, then give up every past state."""
    compact(warehouse)
    expire_history(warehouse)


def sweep_all(warehouse: Warehouse) -> None:
    """Remove whatever compaction and expiry have left."""
    sweep(warehouse, -60.0)


def delete_one(warehouse: Warehouse) -> None:
    """Delete a session whose rows share a file, unless it is gone."""
    if warehouse.published(["session/c"]):
        delete(warehouse, session_deletion(warehouse, "c"))


Operation = Callable[[Warehouse], object]
OPERATIONS: dict[str, tuple[Operation, ...]] = {
    "commit": (commit_two,),
    "compact": (compact,),
    "expire": (compact, expire_history),
    "sweep": (expire_all, sweep_all),
    "delete": (delete_one,),
}
"""What is done before, undisturbed, and the operation that dies."""


def survive(folder: Path, *earlier: Operation, operation: Operation) -> int:
    """Let an operation die at each of its system calls; return how many there were."""
    original = prepared(folder / "original")
    for work in earlier:
        work(original)
    states = states_on_the_way(folder, operation, original)
    for last in range(1, 1000):
        place = folder / f"dies-at-{last}"
        shutil.copytree(original.url, place)
        child = os.fork()
        if child == 0:
            die_at(last)
            operation(Warehouse(place))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFEXITED(status), status
        check(Warehouse(place), operation, states, last)
        shutil.rmtree(place)
        if os.waitstatus_to_exitcode(status) == 0:
            return last - 1
        assert os.waitstatus_to_exitcode(status) == DIED
    raise AssertionError("it never ends")


def states_on_the_way(folder: Path, operation: Callable[[Warehouse], object], original: Warehouse) -> list[State]:
    """Return what readers see before, between and after the operation's publications."""
    place = folder / "undisturbed"
    shutil.copytree(original.url, place)
    warehouse = Warehouse(place)
    before, first = state(warehouse), warehouse.head
    operation(warehouse)
    oldest = max(first + 1, warehouse.log.oldest)
    seen = [before, *(state(warehouse.as_of(number)) for number in range(oldest, warehouse.head + 1))]
    assert seen[-1] == state(warehouse)
    return seen


def check(left: Warehouse, operation: Callable[[Warehouse], object], states: list[State], last: int) -> None:
    """Raise AssertionError unless a warehouse shows one of the states, is whole, and can be worked on."""
    assert state(left) in states, (last, state(left))
    assert left.verify() == [], last
    operation(Warehouse(left.url))
    assert state(Warehouse(left.url)) == states[-1], last
    if last % 4:  # the rest takes long
        return
    publish(left, "f", replicates=1)
    left.maintain(retention=dt.timedelta(0), grace_seconds=-60.0)
    reopened = Warehouse(left.url)
    assert reopened.verify() == [], last
    values, sizes, keys = states[-1]
    assert state(reopened) == (values, {**sizes, "f": 1}, tuple(sorted((*keys, "session/f")))), last


def main() -> None:
    """Kill the operation named by the first argument in the folder named by the second; print how often."""
    add_tables(setattr)
    log.CHECKPOINT_EVERY = 3
    *earlier, operation = OPERATIONS[sys.argv[1]]
    sys.stdout.write(f"{survive(Path(sys.argv[2]), *earlier, operation=operation)}\n")
