"""Draws: counter-based random numbers, each a hash of what it decides; there is no generator state.

A draw is 32 bits of a hash of ``(DRAWS_VERSION, random_seed, purpose, variant, src, dst, replicate, trial, occasion)``,
computed in three steps:

1. `stream`: 64 bits of (version, random seed, purpose, variant), once per job.
2. `edge_key`: 64 bits of (stream, src, dst), once per edge; an agent's draws use an edge to `NO_ONE`.
3. `lane_draw`: 32 bits of (key, replicate), or `trial_draw`, of the trial and occasion as well. Both are cheap, and
   the compiler vectorises them over the lanes of a word or the trials of an edge, which share the key.

Rows are therefore the same for any number of partitions, workers and threads, in any plan and after any restart, and
sessions use common random numbers: replicate r of two sessions with the same random seed makes the same draws.

The mixing steps are MurmurHash3's finalisers (Appleby 2011). Their combination is our own, and is tested for uniformity
and independence across edges, replicates, trials and seeds.
"""

from enum import IntEnum

import numba
import numpy as np
import numpy.typing as npt

DRAWS_VERSION = 1
"""Version of the hash, part of every specification hash: raised whenever a key would give another draw."""


class Purpose(IntEnum):
    """Use of a draw; draws of different purposes are independent."""

    TRANSMISSION = 1
    INFECTOR = 2
    TRIVALENCY = 3
    SEEDING = 4
    THRESHOLD = 5
    TRANSITION = 6
    BRANCHING = 7
    MIXING = 8
    SCEPTICS = 9
    OWN = 10
    MEETING = 11
    INFLUENCE = 12


NO_ONE = 2**32 - 1
"""Destination in the keys of agents' own draws."""


_M64A, _M64B = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M32A, _M32B = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_OCCASION = np.uint32(0x9E3779B1)
_U13, _U15, _U16 = np.uint32(13), np.uint32(15), np.uint32(16)
_U32, _U33, _LOW = np.uint64(32), np.uint64(33), np.uint64(0xFFFFFFFF)


@numba.njit(nogil=True, cache=True, forceinline=True)
def mix64(x):  # type: ignore[no-untyped-def]
    """Return a bijective scramble of 64 bits (uint64 to uint64)."""
    x = np.uint64(x ^ (x >> _U33))
    x = np.uint64(x * _M64A)
    x = np.uint64(x ^ (x >> _U33))
    x = np.uint64(x * _M64B)
    return np.uint64(x ^ (x >> _U33))


@numba.njit(nogil=True, cache=True, forceinline=True)
def edge_key(stream, src, dst):  # type: ignore[no-untyped-def]
    """Return the 64-bit key of an edge in a stream (uint64; src and dst are dense ids)."""
    x = np.uint64((np.uint64(src) << _U32) | np.uint64(dst))
    x = np.uint64((x ^ stream) * _M64A)
    x = np.uint64(x ^ (x >> _U32))
    x = np.uint64(x * _M64B)
    return np.uint64(x ^ (x >> _U32))


@numba.njit(nogil=True, cache=True, forceinline=True)
def agent_key(stream, agent):  # type: ignore[no-untyped-def]
    """Return the 64-bit key of an agent in a stream (uint64)."""
    return edge_key(stream, agent, NO_ONE)


@numba.njit(nogil=True, cache=True, forceinline=True)
def lane_draw(key, salt):  # type: ignore[no-untyped-def]
    """Return the draw of a key in the replicate of this salt, at the first trial (uint32, uniform over all values)."""
    return trial_draw(key, salt, np.uint32(0))


@numba.njit(nogil=True, cache=True, forceinline=True)
def trial_draw(key, salt, trial_salt):  # type: ignore[no-untyped-def]
    """Return the draw of a key in the replicate of this salt, at the trial of this one (uint32)."""
    h = np.uint32(np.uint32(key & _LOW) ^ salt ^ trial_salt)
    h = np.uint32(h * _M32A)
    h = np.uint32(h ^ (h >> _U15))
    # The trial enters a second time: otherwise different pairs of salts could collide.
    h = np.uint32(h + (np.uint32(key >> _U32) ^ trial_salt))
    h = np.uint32(h * _M32B)
    h = np.uint32(h ^ (h >> _U13))
    h = np.uint32(h * _M32A)
    return np.uint32(h ^ (h >> _U16))


@numba.njit(nogil=True, cache=True, forceinline=True)
def replicate_salt(replicate):  # type: ignore[no-untyped-def]
    """Return the salt of a replicate (uint32, distinct for distinct replicates below 2**32)."""
    h = np.uint32(np.uint32(replicate) + np.uint32(0x9E3779B9))
    h = np.uint32(h ^ (h >> _U16))
    h = np.uint32(h * _M32A)
    h = np.uint32(h ^ (h >> _U13))
    h = np.uint32(h * _M32B)
    return np.uint32(h ^ (h >> _U16))


@numba.njit(nogil=True, cache=True, forceinline=True)
def trial_salt(trial, occasion):  # type: ignore[no-untyped-def]
    """Return the salt of a trial (from 0) of an agent's occasion (from 1): uint32, 0 for the first of the first."""
    h = np.uint32(np.uint32(trial) + np.uint32(np.uint32(occasion - 1) * _OCCASION))
    h = np.uint32(h * _M32A)
    h = np.uint32(h ^ (h >> _U15))
    return np.uint32(h * _M32B)


def stream(random_seed: int, purpose: Purpose, variant: int = 0) -> np.uint64:
    """Return the 64-bit stream from which all draws of one purpose come.

    Parameters
    ----------
    random_seed : int
        In [0, 2**63).
    purpose : Purpose
    variant : int
        Separates draws of one purpose, such as transitions out of different compartments.

    Examples
    --------
    >>> bool(stream(7, Purpose.TRANSMISSION) == stream(7, Purpose.INFECTOR))
    False
    """
    mixed = _mix_scalar((DRAWS_VERSION << 32) | int(purpose))
    mixed = _mix_scalar(mixed ^ random_seed)
    return np.uint64(_mix_scalar((mixed + variant * int(_GOLDEN)) & 0xFFFFFFFFFFFFFFFF))


def _mix_scalar(x: int) -> int:
    return int(mix64(np.uint64(x & 0xFFFFFFFFFFFFFFFF)))


@numba.njit(nogil=True, cache=True)
def _salts(replicates):  # type: ignore[no-untyped-def]
    salts = np.empty(len(replicates), np.uint32)
    for i in range(len(replicates)):
        salts[i] = replicate_salt(replicates[i])
    return salts


@numba.njit(nogil=True, cache=True)
def _edge_draws(stream, src, dst, replicates, trials, occasions):  # type: ignore[no-untyped-def]
    draws = np.empty(len(src), np.uint32)
    for i in range(len(src)):
        key = edge_key(stream, src[i], dst[i])
        draws[i] = trial_draw(key, replicate_salt(replicates[i]), trial_salt(trials[i], occasions[i]))
    return draws


@numba.njit(nogil=True, cache=True)
def _edge_keys(stream, src, dst):  # type: ignore[no-untyped-def]
    keys = np.empty(len(src), np.uint64)
    for i in range(len(src)):
        keys[i] = edge_key(stream, src[i], dst[i])
    return keys


def replicate_salts(replicates: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Return the salts of replicates, (k,) uint32."""
    salts: npt.NDArray[np.uint32] = _salts(np.asarray(replicates, dtype=np.int64))
    return salts


def edge_draws(
    stream: np.uint64,
    src: npt.ArrayLike,
    dst: npt.ArrayLike,
    replicates: npt.ArrayLike,
    trials: npt.ArrayLike = 0,
    occasions: npt.ArrayLike = 1,
) -> npt.NDArray[np.uint32]:
    """Return one draw per (edge, replicate, trial, occasion), elementwise over arrays or scalars, (k,) uint32."""
    columns = np.broadcast_arrays(*map(np.atleast_1d, (src, dst, replicates, trials, occasions)))
    draws: npt.NDArray[np.uint32] = _edge_draws(stream, *(np.array(a, dtype=np.int64, order="C") for a in columns))
    return draws


def agent_draws(
    stream: np.uint64,
    agents: npt.ArrayLike,
    replicates: npt.ArrayLike,
    trials: npt.ArrayLike = 0,
    occasions: npt.ArrayLike = 1,
) -> npt.NDArray[np.uint32]:
    """Return one draw per (agent, replicate, trial, occasion), as `edge_draws` does, (k,) uint32."""
    return edge_draws(stream, agents, NO_ONE, replicates, trials, occasions)


def edge_hashes(stream: np.uint64, src: npt.ArrayLike, dst: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Return 64 bits per edge that no replicate changes, elementwise over two arrays, (k,) uint64."""
    columns = (np.ascontiguousarray(a, dtype=np.int64) for a in (src, dst))
    keys: npt.NDArray[np.uint64] = _edge_keys(stream, *columns)
    return keys


def agent_hashes(stream: np.uint64, agents: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Return 64 bits per agent, (k,) uint64: the key of an edge from the agent to no one (-1)."""
    agents = np.asarray(agents, dtype=np.int64)
    return edge_hashes(stream, agents, np.full(len(agents), NO_ONE))


def chances(probability: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return probabilities as counts of favourable draws: an attempt succeeds when its draw is below this.

    Parameters
    ----------
    probability : array_like of float
        In [0, 1].

    Returns
    -------
    (...) int64
        ``ceil(p * 2**32)``, in [0, 2**32]: 0 never succeeds, 2**32 always does.

    Examples
    --------
    >>> chances([0.0, 0.5, 1.0])
    array([         0, 2147483648, 4294967296])
    """
    return np.ceil(np.asarray(probability, dtype=np.float64) * 4294967296.0).astype(np.int64)
