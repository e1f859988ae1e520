"""A campaign's specification as YAML, which `rumormill run` accepts: with every default filled in."""

from collections.abc import Mapping
from typing import Any

import yaml

from data.validation import looks_like_a_number

DERIVED = {"snapshot_id", "session_id", "message_id"}
"""Keys of a resolved configuration that follow from the others; campaign files do not have them."""


def campaign_yaml(configuration: Mapping[str, Any]) -> str:
    """Return a campaign file.

    Parameters
    ----------
    configuration : mapping
        The resolved configuration, of the table `campaigns`.

    Examples
    --------
    >>> print(campaign_yaml({"name": "春季", "sessions": [{"name": "1e-3", "session_id": "x", "seeds": ["3", "7"]}]}))
    name: 春季
    sessions:
    - name: '1e-3'
      seeds: ['3', '7']
    <BLANKLINE>
    """
    return yaml.dump(_given(configuration), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _given(value: Any, section: str = "") -> Any:
    """Return a value without derived keys and without empty ones, its keys in the order of the documentation."""
    if isinstance(value, list):
        return [_given(item, section) for item in value]
    if not isinstance(value, Mapping) or section in _FREE:
        return value
    return {
        key: _given(value[key], key)
        for key in sorted(value, key=_place)
        if key not in DERIVED and value[key] not in (None, [], {})
    }


def _place(key: str) -> tuple[int, str]:
    return _ORDER.index(key) if key in _ORDER else len(_ORDER), key


_FREE = {"parameters", "properties", "model_parameters", "message_types", "message_properties", "seeds"}
"""Sections whose keys are the user's, or those of a strategy."""
_ORDER = (
    *("name", "network", "models", "model_parameters", "message_types", "message_properties", "messages"),
    *("content", "sender", "type", "properties", "message", "model", "parameters", "seeds", "replicates"),
    *("sessions", "record", "random_seed", "max_rounds", "plan", "cluster"),
)


class _Dumper(yaml.SafeDumper):
    """Writes what campaign files read back: numbers as text in quotes, short lists on one line."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "'" if looks_like_a_number(text.replace("_", "")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: _Dumper, items: list[Any]) -> yaml.Node:
    plain = all(isinstance(item, str | int | float) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=plain)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
