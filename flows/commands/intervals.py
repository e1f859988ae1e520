"""Intervals on the terminal: one column for a number and its 95 % interval; files keep all columns."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

PROBABILITY = "probability"
"""The column whose interval is not symmetric (Wilson), so that its ends are shown."""


def with_intervals(rows: Sequence[Mapping[str, Any]], shares: Collection[str] = ("share",)) -> list[dict[str, Any]]:
    """Return rows as the terminal shows them: means with ± half of their interval, `shares` as percentages.

    A row that has ``X``, ``X_low`` and ``X_high`` gets one column ``X`` of them; ``X_standard_error`` is left out.
    """
    return [_with_intervals(row, shares) for row in rows]


def _with_intervals(row: Mapping[str, Any], shares: Collection[str]) -> dict[str, Any]:
    from data.quantities import readable_share
    from propagation.intervals import number_with_interval

    found: dict[str, Any] = {}
    for name, value in row.items():
        of = next((name.removesuffix(end) for end in ("_low", "_high", "_standard_error") if name.endswith(end)), name)
        if of != name and of in row:
            continue
        low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
        if name == PROBABILITY and low is not None and high is not None:
            found["probability (95 % interval)"] = (
                f"{readable_share(value)} ({100 * low:.1f} to {readable_share(high)})"
            )
        elif low is not None and high is not None:
            found[name] = number_with_interval(value, (high - low) / 2)
        elif name in shares and value is not None:
            found[name] = readable_share(value)
        else:
            found[name] = value
    return found


def has_means(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether rows as the terminal shows them have ±, which is to be explained once."""
    return any(" ± " in value for row in rows for value in row.values() if isinstance(value, str))
