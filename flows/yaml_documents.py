"""YAML files whose parts know their lines.

YAML's implicit conversions are restricted: ``no`` and ``007`` are text, ``1e-3`` is a number, and agent ids stay as
written.
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from data.errors import CampaignError
from data.validation import Location, Problem
from flows.campaign_content import Content, is_seed, is_text

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The libyaml loader, ten times as fast, if PyYAML was built with it."""
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_NOTHING = {"", "~", "null"}
_WORDS = {"true": True, "false": False, ".nan": float("nan"), ".inf": float("inf")}
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_WHOLE = re.compile(r"0|-?[1-9][0-9]*(?:_[0-9]+)*")
_NUMBER = re.compile(rf"[-+]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


class YamlDocument(Content):
    """A YAML file: its content, and the line of each part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            root = _composed(path.read_bytes())
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self._error(line, f"not YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, UnicodeError) as error:
            raise CampaignError(f"{path} is not a text file ({' '.join(str(error).split())})") from None
        if root is None:
            raise CampaignError(f"{path} is empty; docs/reference/campaigns.md shows an example")
        if not isinstance(root, yaml.MappingNode):
            raise self._error(root.start_mark.line + 1, "the file must be a mapping, such as 'network: demo'")
        self._root = root
        self._entries: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        self.content: dict[str, Any] = self._value(root, (), ())

    def place(self, location: Location) -> str:
        """Return file, line and key of a part of the campaign."""
        return f"{self.path}, line {self._line(location)}: {'.'.join(map(str, location))}"

    def sentences(self, problems: list[Problem]) -> tuple[str, list[str]]:
        """Return the file, and each problem with its line and key, by line."""
        found = sorted({(self._line(p.location), ".".join(map(str, p.location)), p.sentence) for p in problems})
        return f"{self.path}, ", [f"line {line}: {where + ': ' if where else ''}{what}" for line, where, what in found]

    def _error(self, line: int, sentence: str) -> CampaignError:
        return CampaignError(f"{self.path}, line {line}: {sentence}")

    def _line(self, location: Location) -> int:
        """Return the line of the part at `location`, or of the nearest part around it."""
        node: yaml.Node = self._root
        line = node.start_mark.line
        for part in location:
            if isinstance(node, yaml.MappingNode):
                if (entry := self._entries_of(node).get(str(part))) is not None:
                    line, node = entry[0].start_mark.line, entry[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line
        return line + 1

    def _entries_of(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return key and value of each entry of a mapping, by key."""
        if id(node) not in self._entries:
            self._entries[id(node)] = {key.value: (key, value) for key, value in node.value}
        return self._entries[id(node)]

    def _value(self, node: yaml.Node, location: Location, around: tuple[yaml.Node, ...]) -> Any:
        """Return a node's value, as text, numbers, lists and dictionaries."""
        line = node.start_mark.line + 1
        if node in around:
            raise self._error(line, "an alias is inside the value that it refers to")
        if node.tag not in _TAGS:
            raise self._error(line, f"tag {node.tag} is not allowed; plain values need no tags")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(n, (*location, i), (*around, node)) for i, n in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node, location)

    def _mapping(self, node: yaml.MappingNode, location: Location, around: tuple[yaml.Node, ...]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(line, "a key must be plain text")
            if key.value in lines:
                raise self._error(line, f"key {key.value!r} is given twice, first in line {lines[key.value]}")
            lines[key.value] = line
            content[key.value] = self._value(value, (*location, key.value), around)
        return content


def stated_values(text: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the values of some keys at the left margin, of a file that need not be valid."""
    found = {}
    for line in re.finditer(rf"^(?P<key>{'|'.join(keys)}):[ \t]+(?P<value>.+)$", text, re.MULTILINE):
        with contextlib.suppress(yaml.YAMLError):
            value = _composed(line["value"].encode())
            if isinstance(value, yaml.ScalarNode) and value.value.strip():
                found[line["key"]] = value.value
    return found


def _composed(content: bytes) -> yaml.Node | None:
    """Return the tree of a document; if libyaml fails, parse again with PyYAML, whose error messages are better."""
    with contextlib.suppress(yaml.YAMLError):
        root: yaml.Node | None = yaml.compose(content, Loader=_LOADER)
        return root
    return yaml.compose(content, Loader=yaml.BaseLoader)


def _scalar(node: yaml.ScalarNode, location: Location) -> Any:
    """Return the text, number, boolean or None that a scalar represents."""
    text = node.value
    if node.style:  # quoted, or a block of text; plain scalars have style '' in libyaml, None in PyYAML
        return _whole_characters(text)
    if text in _NOTHING and not (text and is_seed(location)):
        return None
    if is_text(location):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and not _LEADING_ZERO.fullmatch(text) else text


def _whole_characters(text: str) -> str:
    """Join surrogate pairs, which JSON uses for characters beyond 16 bits; a lone surrogate stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeDecodeError):
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
    return text
