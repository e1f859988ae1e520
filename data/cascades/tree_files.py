"""Trees of retweets in files: a line per edge, from parent to child, one file per cascade, alone or in an archive."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from data.cascades.row_tables import tree_rows
from data.cascades.source_rows import SourceRows, rejected
from data.errors import InvalidInputError
from data.quantities import counted

_EDGE = re.compile(r"\['([^']*)', *'[^']*', *'[^']*'\] *-> *\['([^']*)', *'[^']*', *'([^']*)'\]")
"""An edge of the data sets Twitter15 and Twitter16: user, tweet and delay in minutes of parent and child."""
_LABEL_NAMES = {"label", "labels"}


def looks_like_tree(text: str) -> bool:
    """Return whether a text begins with an edge of a tree."""
    return _EDGE.match(text.lstrip()) is not None


def is_archive(path: Path) -> bool:
    """Return whether a path is a folder of files, or a tar archive."""
    return path.is_dir() or tarfile.is_tarfile(path)


def read_tree(text: str, cascade: str, source: str) -> SourceRows:
    """Read one tree; `cascade` is its id."""
    return _read([(cascade, text)], source, named=False)


def read_trees(path: Path) -> SourceRows:
    """Read a folder, or a tar archive, with a file per tree; the file's name without its ending is the cascade's id.

    Labels of the cascades are taken from a file called ``label.txt`` (or ``labels``, with any ending) among them.

    Raises
    ------
    InvalidInputError
        If no file has a tree, or the archive is damaged.
    """
    trees, others, labels = [], [], None
    for name, content in sorted(_contents(path)):
        text = content.decode(errors="replace")
        if looks_like_tree(text):
            trees.append((PurePosixPath(name).stem, text))
        elif PurePosixPath(name).stem.lower() in _LABEL_NAMES:
            labels = (name, text)
        elif text.strip():
            others.append(name)
    if not trees:
        raise InvalidInputError(
            f"{path} has no file with a tree, whose lines are ['user', 'message', 'delay']->['user', 'message', "
            "'delay']"
        )
    found = _read(trees, str(path), named=True)
    warnings = [*found.warnings]
    if others:
        warnings.append(f"{path}: {counted(len(others), 'file')} without a tree left out, such as {others[0]}")
    if labels is not None:
        warnings.append(f"{path}: the labels of the cascades were taken from {labels[0]}")
    given = None if labels is None else labels_of(labels[1], {name for name, _ in trees}, labels[0])
    return SourceRows(found.rows, str(path), found.rejects, tuple(warnings), "minutes", given)


def labels_of(text: str, cascade_ids: set[str], source: str) -> dict[str, str]:
    """Return labels by cascade, from lines of label and cascade in either order, separated by ``: , ;`` or blanks.

    Raises
    ------
    InvalidInputError
        If no line names one of the cascades.
    """
    pairs = [re.split(r"[:,;\t ]+", line.strip(), maxsplit=1) for line in text.splitlines() if line.strip()]
    whole = [(pair[0].strip("\"' "), pair[1].strip("\"' ")) for pair in pairs if len(pair) == 2]
    first, second = (sum(pair[at] in cascade_ids for pair in whole) for at in (0, 1))
    if not first and not second:
        example = min(cascade_ids, default="")
        raise InvalidInputError(
            f"{source} has no label of any cascade; give lines of CASCADE,LABEL or LABEL:CASCADE, with cascades such "
            f"as {example!r}"
        )
    return dict(whole if first >= second else [(cascade, label) for label, cascade in whole])


def _read(trees: list[tuple[str, str]], source: str, *, named: bool) -> SourceRows:
    frames, malformed = [], []
    for cascade, text in trees:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        edges = _EDGE.findall(text)
        if len(edges) != len(lines):
            matched = [(number, line, _EDGE.fullmatch(line.strip())) for number, line in lines]
            bad = [(number, line) for number, line, edge in matched if edge is None]
            malformed += [
                {"line": number, "file": cascade if named else None, "cascade": cascade, "text": line}
                for number, line in bad
            ]
            lines = [(number, line) for number, line, edge in matched if edge is not None]
            edges = [edge.groups() for _, _, edge in matched if edge is not None]
        frame = pd.DataFrame(edges, columns=["infector", "agent", "time"])
        frames.append(frame.assign(line=[number for number, _ in lines], cascade=cascade))
    rows = pd.concat(frames, ignore_index=True)
    if named:
        rows["file"] = rows["cascade"]
    warning = f"{source}: delays are taken as minutes since the source, as in the data sets Twitter15 and Twitter16"
    rejects = rejected([{**each, "reason": "the line is no edge of a tree"} for each in malformed])
    return tree_rows(SourceRows(rows, source, rejects, (warning,), "minutes"))


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a folder or archive; hidden files are skipped."""
    if path.is_dir():
        for file in (each for each in path.rglob("*") if each.is_file() and not each.name.startswith(".")):
            yield file.relative_to(path).as_posix(), file.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:  # in the order of the archive: going back in a compressed one reads it again
                if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
                    content = archive.extractfile(member)
                    yield member.name, b"" if content is None else content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InvalidInputError(f"{path} is damaged or cut short: {error}; fetch or pack it again") from error
