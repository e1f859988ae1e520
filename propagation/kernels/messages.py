"""Messages between partitions, sorted by the range of their destination and by lane."""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt


class Inbox(NamedTuple):
    """Messages for the agents of a range: of sender s and lane l those ``bounds[s, l]`` to ``bounds[s, l + 1]``.

    They are `Messages`, or edges; see `Sent`.
    """

    bounds: npt.NDArray[np.int64]
    messages: Any


@numba.njit(nogil=True, cache=True)
def messages_due(offsets, agents):  # type: ignore[no-untyped-def]
    """Return the most messages that some agents can send: one along each of their edges."""
    total = 0
    for i in range(len(agents)):
        total += offsets[agents[i] + 1] - offsets[agents[i]]
    return total


@numba.njit(nogil=True, cache=True, forceinline=True)
def take_places(places, bounds):  # type: ignore[no-untyped-def]
    """Compute where messages go: to one range after the other, in each by lane.

    Parameters
    ----------
    places : (lanes, ranges) int64 or uint64
        In: how many messages there are; out: where the first goes.
    bounds : (ranges, lanes + 1) int64
        Out: where the messages of each range and lane begin, and end.
    """
    lanes, ranges = places.shape
    at = places[0, 0] * 0  # of the same type
    for part in range(ranges):
        bounds[part, 0] = at
        for lane in range(lanes):
            count = places[lane, part]
            places[lane, part] = at
            at += count
            bounds[part, lane + 1] = at


@numba.njit(nogil=True, cache=True)
def sort_messages(messages, ends, firsts, bounds, sorted_messages):  # type: ignore[no-untyped-def]
    """Sort messages by the range of their destination, and within it by lane.

    Parameters
    ----------
    messages : Messages
        By lane.
    ends : (lanes + 1,) int64
        Where each lane's messages end.
    firsts : (ranges,) int64
        First agent of each range.
    bounds : (ranges, lanes + 1) int64
        Out: where the messages of each range and lane begin, and end.
    sorted_messages : Messages
        Out.
    """
    lanes, ranges = len(ends) - 1, len(firsts)
    places = np.zeros((lanes, ranges), np.int64)
    all_dst, all_src, values, draws = messages.dst, messages.src, messages.value, messages.draw
    own = np.empty(ends[lanes], np.uint16)
    for lane in range(lanes):
        for i in range(ends[lane], ends[lane + 1]):
            # Ranges are few, and most agents are in the last: those of low degree.
            part = ranges - 1
            while all_dst[i] < firsts[part]:
                part -= 1
            own[i] = part
            places[lane, part] += 1
    take_places(places, bounds)
    to_dst, to_src, to_value, to_draw = (
        sorted_messages.dst,
        sorted_messages.src,
        sorted_messages.value,
        sorted_messages.draw,
    )
    for lane in range(lanes):
        for i in range(ends[lane], ends[lane + 1]):
            to = places[lane, own[i]]
            places[lane, own[i]] = to + 1
            to_dst[to], to_value[to] = all_dst[i], values[i]
            if len(all_src) > 0:
                to_src[to], to_draw[to] = all_src[i], draws[i]
