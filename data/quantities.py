"""Durations, amounts of memory and other numbers as text: the same units and rounding everywhere."""

import math

MINUTE, HOUR = 60.0, 3600.0
MEBIBYTE, GIBIBYTE = 2**20, 2**30


def readable_seconds(seconds: float) -> str:
    """Return a duration in a readable unit.

    Examples
    --------
    >>> readable_seconds(0.123), readable_seconds(75), readable_seconds(7500)
    ('0.12 s', '1.2 min', '2.1 h')
    """
    if seconds < MINUTE:
        return f"{seconds:.2f} s"
    return f"{seconds / MINUTE:.1f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"


def readable_bytes(amount: float) -> str:
    """Return an amount of memory in a readable unit.

    Examples
    --------
    >>> readable_bytes(1_500_000), readable_bytes(3 * 2**30)
    ('1.4 MiB', '3.0 GiB')
    """
    return f"{amount / GIBIBYTE:,.1f} GiB" if amount >= GIBIBYTE else f"{amount / MEBIBYTE:,.1f} MiB"


def counted(number: int, what: str) -> str:
    """Return a number of things, such as sessions.

    Examples
    --------
    >>> counted(1, "lane"), counted(2000, "lane")
    ('1 lane', '2,000 lanes')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def number_text(value: float | None) -> str:
    """Return a number: all digits before the point, of others three digits; a hyphen if it is not known.

    Examples
    --------
    >>> [number_text(value) for value in (1234567, 999.7, 12.3456, 0.04567, 3.0, float("nan"))]
    ['1,234,567', '1,000', '12.3', '0.0457', '3', '-']
    """
    if value is None or math.isnan(value):
        return "-"
    if float(value).is_integer() or abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def readable_share(share: float) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> readable_share(0.5434), readable_share(0.0004)
    ('54.3 %', '0.0 %')
    """
    return f"{100.0 * share:.1f} %"
