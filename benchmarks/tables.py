"""Measurements as Markdown tables, and the page that contains the latest."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurements import PeerRow, WorkloadRows
from benchmarks.ourselves import OwnRow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def significant(number: float) -> str:
    """Return a number with three significant digits, or all digits of a large one.

    Examples
    --------
    >>> significant(0.012345), significant(12.345), significant(182537.4)
    ('0.0123', '12.3', '182,537')
    """
    if number == 0.0 or not abs(number) < 1e300:
        return f"{number:g}"
    digits = 2
    while digits and abs(number) >= 10 ** (3 - digits):
        digits -= 1
    while abs(number) < 10 ** (2 - digits):
        digits += 1
    return f"{number:,.{digits}f}"


def spread(numbers: Sequence[float]) -> str:
    """Return the median and, of several numbers, the smallest and the largest."""
    median = significant(statistics.median(numbers))
    if len(numbers) == 1:
        return f"{median} (one run)"
    return f"{median} ({significant(min(numbers))} - {significant(max(numbers))})"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speed_table(workloads: Sequence[WorkloadRows], graph: str) -> str:
    """Return our times and the ratio of every peer."""
    headings = ["workload", "side", "threads", "seconds", "ratio", "target", "met"]
    rows = []
    for measured in workloads:
        rows.append([f"**{measured.workload.title}**", "Rumormill", "all", spread(measured.ours.seconds), "1", "", ""])
        rows.extend(_peer_line(row, measured, graph) for row in measured.rows)
    return table(headings, rows)


def _peer_line(row: PeerRow, measured: WorkloadRows, graph: str) -> list[str]:
    target = measured.workload.targets.get(row.peer.name) if graph == "g2" else None
    ran = row.calls.replicates
    scaled = "" if ran == measured.workload.replicates else f", from {ran:,} replicate{'s' if ran > 1 else ''}"
    met = "" if target is None else "yes" if row.ratio >= target else "**no**"
    seconds = spread(row.calls.seconds) + scaled
    return [
        "",
        row.peer.title,
        row.peer.threads,
        seconds,
        f"{spread(row.ratios)} x",
        "" if target is None else f"{target:g} x",
        met,
    ]


def reach_table(workloads: Sequence[WorkloadRows]) -> str:
    """Return the mean reach of both sides, and their difference."""
    headings = [
        "workload",
        "peer",
        "its mean reach",
        "our mean reach",
        "difference, standard errors",
        "agree",
        "loading, seconds",
    ]
    rows = [
        [
            measured.workload.title,
            row.peer.title,
            f"{significant(row.calls.mean)} ± {significant(row.their_error)}",
            f"{significant(row.our_mean)} ± {significant(row.our_error)}",
            f"{row.standard_errors_apart:.1f}",
            "yes" if row.agrees else "**no**",
            significant(row.loading),
        ]
        for measured in workloads
        for row in measured.rows
    ]
    return table(headings, rows)


def own_table(rows: Sequence[OwnRow], graph: str) -> str:
    """Return the comparisons of Rumormill with itself."""
    headings = ["what", "seconds", "compared with", "seconds", "median ratio", "target", "met"]
    lines = []
    for row in rows:
        sign = "at most" if row.at_most else "at least"
        target, met = (f"{sign} {row.target:g}", "yes" if row.met else "**no**") if graph == "g2" else ("", "")
        what = row.title + (f" ({row.note})" if row.note else "")
        ratio = f"{row.ratio_title} {spread(row.ratios)}"
        lines.append([what, spread(row.seconds), row.baseline, spread(row.baseline_seconds), ratio, target, met])
    return table(headings, lines)


def write_section(name: str, text: str) -> None:
    """Replace the part of the page between the markers of `name`; the rest is written by hand.

    Raises
    ------
    ValueError
        If the page has no such markers.
    """
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if begin not in page or end not in page:
        raise ValueError(f"{PAGE} has no {begin.strip()} and {end.strip()}")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}{text.strip()}\n{end}{after}", encoding="utf-8")
