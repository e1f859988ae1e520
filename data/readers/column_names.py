"""Well-known names of columns: what people call the ends of an edge, and what is hardly ever an end."""

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
"""Words for the two ends of an edge, each with the words that go with it."""
_ENDS = {word for group in _GROUPS for words in group for word in words}
_KIND = "node|agent|user|account|person|vertex|member|author|actor|entity"
_STEM = re.compile(rf"(.+?)[ _.-]?(?:{_KIND}|screen_?name)?[ _.-]?(?:id|name|label)?")
_NUMBERED = re.compile(rf"(id|name|v|{_KIND})[ _.-]?(?:id)?[ _.-]?([12ab])(?:[ _.-]?id)?")
_BESIDE = re.compile(
    r"weights?|strength|prob(ability)?|p|rating|score|sign|type|kind|label|count|timestamp|time|date|datetime|year|"
    r"created_at|unnamed: ?\d+|index|__index_level_\d+__"
)


def endpoint_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of columns that are, by their names, the source and the target of an edge.

    Several pairs come with that of the first two columns first, then as well known as they are.

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
    """Return the positions of source and target, where the user does not say: by their names, else the first two.

    Columns whose names say that they tell something of an edge (``weight``, ``type``, ``time``, ...) are passed over,
    as long as two others remain.

    Examples
    --------
    >>> likely_ends(["id", "source", "target"]), likely_ends(["weight", "a", "b"]), likely_ends(["a", "weight"])
    ((1, 2), (1, 2), (0, 1))
    """
    if pairs := endpoint_pairs(names):
        return pairs[0]
    ends = [at for at, name in enumerate(names) if not _is_beside_the_ends(name)]
    return (ends[0], ends[1]) if len(ends) >= 2 else (0, 1)


def is_endpoint_name(name: str) -> bool:
    """Whether files often call an endpoint so."""
    return _stem(name) in _ENDS or _NUMBERED.fullmatch(name.lower()) is not None


def is_id_name(name: str) -> bool:
    """Whether a column of this name may number the rows rather than name an end."""
    return name.strip().lower() in {"id", "key", "row", "rowid", "row_id", "edge", "edge_id", "edgeid", "link_id"}


def _stem(name: str) -> str:
    match = _STEM.fullmatch(name.strip().lower())
    return match[1] if match else name


def _is_beside_the_ends(name: str) -> bool:
    """Whether a column of this name tells something of an edge, and is no end of it."""
    return _BESIDE.fullmatch(name.strip().lower()) is not None
