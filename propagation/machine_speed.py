"""Calibration: the cost of an edge on this machine, measured once and stored for later runs.

The planner's costs are relative to an edge of one lane in the kernel of sparse cascades. That cost is measured on a
network that fits the processor's caches and on one that does not; in between, it is interpolated by the logarithm of
the size.
"""

import contextlib
import functools
import json
import math
import os
import platform
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import platformdirs

from propagation.compiled_rules import constant_array
from propagation.draws import Purpose, replicate_salts, stream
from propagation.kernels.cascades import sparse_cascades
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.kernels.primitives import CHUNK

VERSION = 2
"""Increased when the speed of the measured kernel changes."""
SMALL, LARGE = 1 << 12, 1 << 18
"""Agents of the two networks, each with `DEGREE` out-edges."""
DEGREE = 16
_LANES = 4


@dataclass(frozen=True)
class Calibration:
    """Seconds that one thread takes for one edge of one lane, on a small and on a large network."""

    small: float
    large: float

    def seconds_per_trial(self, edges: int) -> float:
        """Return the seconds for one edge of one lane on a network with `edges` edges."""
        low, high = math.log(SMALL * DEGREE), math.log(LARGE * DEGREE)
        share = (math.log(max(edges, 1)) - low) / (high - low)
        return self.small + min(max(share, 0.0), 1.5) * max(self.large - self.small, 0.0)


@functools.cache
def calibration() -> Calibration:
    """Return this machine's calibration: as stored, or measured now (about half a second) and stored."""
    path = _path()
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Calibration(**json.loads(path.read_text()))
    made = Calibration(_measured(SMALL), _measured(LARGE))
    with contextlib.suppress(OSError):  # measured again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f"{uuid.uuid4().hex}.json")
        own.write_text(json.dumps(asdict(made)))
        own.replace(path)
    return made


def _path() -> Path:
    folder = os.environ.get("RUMORMILL_CACHE") or platformdirs.user_cache_dir("rumormill")
    machine = f"{platform.node()}-{platform.machine()}-{os.cpu_count()}".replace(os.sep, "-")
    return Path(folder) / f"calibration-{VERSION}-{machine}.json"


def _measured(agents: int) -> float:
    """Run a few cascades that reach most of a random network; return the seconds per edge of the fastest one."""
    random = np.random.default_rng(0)
    words = random.integers(0, agents, agents * DEGREE).astype(np.uint64) | np.uint64((2**32 // 5) << 31)
    offsets = np.arange(agents + 1, dtype=np.int64) * DEGREE
    seeds = LaneSeeds(np.zeros(1, np.int32), np.array([0, 10]), np.arange(10, dtype=np.int32))
    reached, queue = np.zeros(agents // 8 + 1, np.uint8), np.empty(agents, np.int32)
    counts, none = np.empty(agents + 1, np.int32), np.empty(0, np.int64)
    best = math.inf
    for replicate in range(_LANES):
        started = time.perf_counter()
        _, trials, _ = sparse_cascades(
            constant_array(offsets), constant_array(words), np.int64(0), stream(0, Purpose.TRANSMISSION),
            replicate_salts([replicate]), seeds, np.int64(agents), np.zeros(1, np.uint8), reached,
            np.zeros(agents // 64 + 1, np.uint64), queue, np.zeros(CHUNK, np.uint8), counts, np.zeros(1, np.int64),
            np.zeros(1, np.uint8), none, none, np.empty(agents, np.int32), np.int64(0),
        )  # fmt: skip
        best = min(best, (time.perf_counter() - started) / max(trials, 1))
    return best
