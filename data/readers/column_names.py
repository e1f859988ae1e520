"""Well-known names of columns: usual names of the endpoints of an edge, and names that rarely denote endpoints."""

import re
from collections.abc import Sequence

_GROUPS: tuple[tuple[set[str], set[str]], ...] = (
    ({"source", "src"}, {"target", "dst", "dest", "destination", "tgt", "sink"}),
    ({"from"}, {"to"}),
    ({"follower"}, {"followee", "followed", "following"}),
    ({"user"}, {"friend"}),
    ({"parent"}, {"child"}),
    ({"infector"}, {"infectee", "infected"}),
    ({"influencer"}, {"influenced", "influencee"}),
    ({"citing"}, {"cited"}),
    ({"sender"}, {"receiver", "recipient"}),
    ({"truster", "trustor"}, {"trustee"}),
    ({"rater"}, {"ratee", "rated"}),
    ({"caller"}, {"callee"}),
    ({"origin"}, {"destination", "dest"}),
    ({"ego"}, {"alter"}),
    ({"head"}, {"tail"}),
    ({"start"}, {"end"}),
    ({"u"}, {"v"}),
)
"""Pairs of words for the two ends of an edge: sources, and the targets that match them."""
_ENDS = {word for group in _GROUPS for words in group for word in words}
_KIND = "node|agent|user|account|person|vertex|member|author|actor|entity"
_STEM = re.compile(rf"(.+?)[ _.-]?(?:{_KIND}|screen_?name)?[ _.-]?(?:id|name|label)?")
_NUMBERED = re.compile(rf"(id|name|v|{_KIND})[ _.-]?(?:id)?[ _.-]?([12ab])(?:[ _.-]?id)?")
_EDGE_PROPERTY = re.compile(
    r"weights?|strength|prob(ability)?|p|rating|score|sign|type|kind|label|count|timestamp|time|date|datetime|year|"
    r"created_at|unnamed: ?\d+|index|__index_level_\d+__"
)


def endpoint_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of pairs of columns whose names suggest source and target of an edge.

    A pair of the first two columns comes first, then the others, best known first.

    Examples
    --------
    >>> [endpoint_pairs(names) for names in (["id", "FromNodeId", "ToNodeId"], ["user_b", "user_a"], ["a", "b"])]
    [[(1, 2)], [(1, 0)], []]
    """
    stems = [_stem(name) for name in names]
    found = []
    for sources, targets in _GROUPS:
        starts = [at for at, stem in enumerate(stems) if stem in sources]
        ends = [at for at, stem in enumerate(stems) if stem in targets]
        if starts and ends:
            found.append((starts[0], ends[0]))
    numbered = {match.groups(): at for at, name in enumerate(names) if (match := _NUMBERED.fullmatch(name.lower()))}
    for (kind, first), at in numbered.items():
        second = {"1": "2", "a": "b"}.get(first, "")
        if (kind, second) in numbered:
            found.append((at, numbered[kind, second]))
    return sorted(found, key=lambda pair: pair != (0, 1))


def likely_ends(names: Sequence[str]) -> tuple[int, int]:
    """Guess the positions of source and target: by their names, else the first two columns.

    Columns whose names denote properties of an edge (``weight``, ``type``, ``time``, ...) are skipped if two others
    remain.

    Examples
    --------
    >>> likely_ends(["id", "source", "target"]), likely_ends(["weight", "a", "b"]), likely_ends(["a", "weight"])
    ((1, 2), (1, 2), (0, 1))
    """
    if pairs := endpoint_pairs(names):
        return pairs[0]
    ends = [at for at, name in enumerate(names) if not _is_edge_property(name)]
    return (ends[0], ends[1]) if len(ends) >= 2 else (0, 1)


def is_endpoint_name(name: str) -> bool:
    """Return whether this is a common name of an endpoint."""
    return _stem(name) in _ENDS or _NUMBERED.fullmatch(name.lower()) is not None


def is_id_name(name: str) -> bool:
    """Return whether a column of this name may number the rows rather than contain endpoints."""
    return name.strip().lower() in {"id", "key", "row", "rowid", "row_id", "edge", "edge_id", "edgeid", "link_id"}


def _stem(name: str) -> str:
    match = _STEM.fullmatch(name.strip().lower())
    return match[1] if match else name


def _is_edge_property(name: str) -> bool:
    """Return whether a column of this name denotes a property of an edge, not an endpoint."""
    return _EDGE_PROPERTY.fullmatch(name.strip().lower()) is not None
