"""Trees of retweets in files: a line per edge, from parent to child, one file per cascade, alone or in an archive."""

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

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

    Where files of several folders have the same name, the ids of all cascades are paths below the folder that has all
    of them. Labels of the cascades are taken from a file called ``label.txt`` (or ``labels``, with any ending) among
    them.

    Raises
    ------
    InvalidInputError
        If no file has a tree, or the archive is damaged.
    """
    texts, others, labels = {}, [], None
    for name, content in sorted(dict(_contents(path)).items()):
        text = content.decode(errors="replace")
        if looks_like_tree(text):
            texts[name] = text
        elif PurePosixPath(name).stem.lower() in _LABEL_NAMES:
            labels = (name, text)
        elif text.strip():
            others.append(name)
    if not texts:
        raise InvalidInputError(
            f"{path} has no file with a tree, whose lines are ['user', 'message', 'delay']->['user', 'message', "
            "'delay']"
        )
    ids, warnings = _ids_of_files(list(texts), path.name)
    found = _read(list(zip(ids, texts.values(), strict=True)), path.name, named=True)
    warnings += found.warnings
    if others:
        warnings.append(f"{path.name}: {counted(len(others), 'file')} without a tree left out, such as {others[0]}")
    given = None
    if labels is not None:
        warnings.append(f"{path.name}: the labels of the cascades were taken from {labels[0]}")
        given, doubts = labels_of(labels[1], set(ids), labels[0])
        warnings += doubts
    return SourceRows(found.rows, str(path), found.rejects, tuple(warnings), "minutes", given)


def _ids_of_files(names: list[str], source: str) -> tuple[list[str], list[str]]:
    """Return different ids of the trees in files, and a sentence if they are not the plain names."""
    paths = [PurePosixPath(name) for name in names]
    plain = [path.stem for path in paths]
    if len(set(plain)) == len(plain):
        return plain, []
    folder = os.path.commonpath([path.parent for path in paths]) or "."
    below = [path.relative_to(folder) for path in paths]
    ids = [path.with_suffix("").as_posix() for path in below]
    if len(set(ids)) < len(ids):
        ids = [path.as_posix() for path in below]
    return ids, [
        f"{source}: several files have the same name, so the cascades are called by their paths: {ids[0]}, ..."
    ]


def labels_of(text: str, cascade_ids: set[str], source: str) -> tuple[dict[str, str], list[str]]:
    """Return labels by cascade, and what was left out, as sentences.

    Lines have label and cascade in either order, separated by ``: , ;`` or blanks.

    Raises
    ------
    InvalidInputError
        If no line names one of the cascades.
    """
    lines = [re.split(r"[:,;\t ]+", line.strip(), maxsplit=1) for line in text.splitlines() if line.strip()]
    pairs = [(line[0].strip("\"' "), line[1].strip("\"' ")) for line in lines if len(line) == 2]
    first, second = (sum(pair[at] in cascade_ids for pair in pairs) for at in (0, 1))
    if not first and not second:
        example = min(cascade_ids, default="")
        raise InvalidInputError(
            f"{source} has no label of any cascade; give lines of CASCADE,LABEL or LABEL:CASCADE, with cascades such "
            f"as {example!r}"
        )
    labels = dict(pairs if first >= second else [(cascade, label) for label, cascade in pairs])
    doubts = []
    if unread := len(lines) - len(pairs):
        doubts.append(f"{source}: {counted(unread, 'line')} without a cascade and a label left out")
    if repeated := len(pairs) - len(labels):
        doubts.append(f"{source}: {counted(repeated, 'line')} with another label of the same cascade; the last counts")
    return labels, doubts


def _read(trees: list[tuple[str, str]], source: str, *, named: bool) -> SourceRows:
    columns: dict[str, list[Any]] = {name: [] for name in ("infector", "agent", "time", "line", "cascade")}
    malformed: list[dict[str, object]] = []
    for cascade, text in trees:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        edges = _EDGE.findall(text)
        if len(edges) != len(lines):
            edges = []
            for number, line in lines:
                edge = _EDGE.fullmatch(line.strip())
                if edge is None:
                    place = {"line": number, "file": cascade if named else None, "cascade": cascade}
                    malformed.append({**place, "reason": "the line is no edge of a tree", "text": line})
                else:
                    edges.append(edge.groups())
                    columns["line"].append(number)
        else:
            columns["line"] += [number for number, _ in lines]
        for name, values in zip(("infector", "agent", "time"), zip(*edges, strict=True), strict=False):
            columns[name] += values
        columns["cascade"] += [cascade] * len(edges)
    rows = pd.DataFrame(columns)
    if named:
        rows["file"] = rows["cascade"]
    warning = f"{source}: delays are taken as minutes since the source, as in the data sets Twitter15 and Twitter16"
    return tree_rows(SourceRows(rows, source, rejected(malformed), (warning,), "minutes"))


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
