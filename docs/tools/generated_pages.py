"""Pages, and parts of pages, that are generated from the code: tables, commands, models, reports, keys of campaigns.

``python docs/tools/generated_pages.py`` writes them (``make docs-pages``). A part stands between the comments
``<!-- generated: NAME -->`` and ``<!-- end of generated: NAME -->``; what is around it is written by hand.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

DOCS = Path(__file__).resolve().parents[1]
_PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[^\n]+?) -->\n).*?(?P<end>\n<!-- end of generated: (?P=name) -->)", re.DOTALL
)


def pages() -> dict[Path, str]:
    """Return the text of every page that is generated, wholly or in part."""
    from data.warehouse.tables import tables_page

    written = {DOCS / "reference" / "tables.md": tables_page()}
    for path in sorted(DOCS.rglob("*.md")):
        if {"_build", "notebooks", "generated"} & set(path.relative_to(DOCS).parts):
            continue
        text = path.read_text(encoding="utf-8")
        if "<!-- generated: " in text:
            written[path] = _PART.sub(lambda match: f"{match['begin']}\n{part(match['name'])}\n{match['end']}", text)
    return written


def part(name: str) -> str:
    """Return the generated part of this name, in Markdown.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    subject, _, rest = name.partition(" ")
    parts: dict[str, Callable[[str], str]] = {
        "model": model,
        "models": lambda _: models(),
        "keys": keys,
        "commands": lambda _: commands(),
        "reports": lambda _: reports(),
        "generators": lambda _: generators(),
        "seeds": lambda _: seed_strategies(),
    }
    if subject not in parts:
        raise ValueError(f"no generated part {name!r}; parts are {', '.join(parts)}")
    return parts[subject](rest).strip()


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    return "\n".join([_row(*header), _row(*("---" for _ in header)), *(_row(*row) for row in rows)])


def _markdown(text: str) -> str:
    """Return prose of a docstring as Markdown: code in double backticks gets single ones."""
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split()))


# -- models ---------------------------------------------------------------------------------------------------------


def model(name: str) -> str:
    """Return what the registry knows of a model: definition, citation, transitions, compartments, parameters."""
    from propagation.models import MODELS
    from propagation.models.description import describe

    described = describe(MODELS[name])
    paragraphs = described.text.split("\n\n")[1:]
    text = "\n\n".join(each if each.startswith("|") else _markdown(each) for each in paragraphs)
    rows = [
        (
            f"`{each.name}`",
            _markdown(each.type),
            "" if each.default is None else f"`{each.default}`",
            _markdown(each.meaning),
        )
        for each in described.parameters
    ]
    parameters = _table(("parameter", "type", "default", "meaning"), rows)
    return f"{text}\n\n{_compartments(MODELS[name])}\n\n**Parameters** of `{MODELS[name].__name__}`\n\n{parameters}"


def _compartments(kind: Any) -> str:
    """Return a sentence about the compartments of a model."""
    required = {"neighbours": 2} if kind.name == "fractional_threshold" else {}
    rules = kind(**required).rules
    named = ", ".join(f"`{each}`" for each in rules.compartments)
    reached = ", ".join(f"`{each}`" for each in rules.reached)
    transmitting = ", ".join(f"`{each}`" for each in rules.transmitting)
    return (
        f"Compartments: {named}. Seeds start as `{rules.seeds}`. Agents that transmit: {transmitting}. "
        f"Agents that count as reached: {reached}."
    )


def models() -> str:
    """Return one row for each registered model."""
    from propagation.models import MODELS
    from propagation.models.description import describe

    described = [describe(kind) for kind in MODELS.values()]
    rows = [
        (f"[`{each.name}`](models/{each.name}.md)", _markdown(each.summary.partition(": ")[2])) for each in described
    ]
    return _table(("model", "rule"), rows)


def seed_strategies() -> str:
    """Return one row for each seed strategy."""
    from propagation.seeding import STRATEGIES

    return _table(
        ("strategy", "class", "seeds"),
        [
            (
                f"`{name}`",
                f"`{kind.__name__}`",
                _markdown(inspect.cleandoc(kind.__doc__ or "").partition("\n\nParameters")[0]),
            )
            for name, kind in STRATEGIES.items()
        ],
    )


def generators() -> str:
    """Return one row for each parameter of each network generator."""
    from data.generators import GENERATORS

    rows = []
    for name, kind in GENERATORS.items():
        documented = _attribute_texts(kind)
        for parameter, field in kind.model_fields.items():
            default = "required" if field.is_required() else f"`{field.default}`"
            rows.append((f"`{name}`", f"`{parameter}`", default, documented.get(parameter, "")))
    return _table(("generator", "parameter", "default", "meaning"), rows)


# -- campaigns ------------------------------------------------------------------------------------------------------


def keys(name: str) -> str:
    """Return the keys of a part of campaign files, from its pydantic class: type, default and meaning."""
    from flows import campaigns
    from propagation.clusters import ClusterProfile

    kind = {
        "campaign": campaigns.Campaign,
        "session": campaigns.SessionSpecification,
        "message": campaigns.MessageSpecification,
        "cluster": ClusterProfile,
    }[name]
    documented = _attribute_texts(kind)
    rows = []
    for key, field in kind.model_fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        told = re.search(
            r"[;,] default: (?P<default>[^.(]+?)(?= \(|\.$)", documented[key]
        )  # one that depends on the rest
        meaning = documented[key].replace(told[0], "") if told else documented[key]
        rows.append((f"`{key}`", _written(field.annotation), told["default"] if told else default, meaning))
    return _table(("key", "type", "default", "meaning"), rows)


def _default(value: Any) -> str:
    if value is None or value in ((), {}, ""):
        return "none"
    if hasattr(value, "kind"):
        return f"`{value.kind}`"
    return f"`{value}`"


_TYPES = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": ""}


def _written(annotation: Any) -> str:
    """Return a type in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _written(inner[0])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin is tuple:
        return f"list of {_written(inner[0])}"
    if origin is dict:
        return "mapping"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return " or ".join(filter(None, (_written(each) for each in inner)))
    name = getattr(annotation, "__name__", str(annotation))
    classes = {
        "MessageSpecification": "messages",
        "SessionSpecification": "sessions",
        "ClusterProfile": "name, path or mapping",
    }
    return _TYPES.get(name, classes.get(name, name))


def _attribute_texts(kind: type) -> dict[str, str]:
    """Return the docstrings below a class's attributes, or their entries in the docstring of the class."""
    from propagation.models.description import _documented_parameters

    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        if base.__module__.startswith("pydantic"):
            continue
        documented = _documented_parameters(inspect.cleandoc(base.__doc__ or ""))
        found |= {name: _markdown(meaning) for name, (_, meaning) in documented.items()}
        (tree,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for attribute, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(attribute, ast.AnnAssign) and isinstance(text, ast.Expr):
                found[ast.unparse(attribute.target)] = _markdown(str(ast.literal_eval(text.value)))
    return found


# -- commands and reports -------------------------------------------------------------------------------------------


def commands() -> str:
    """Return every command with its usage, arguments, options and examples, as its help shows them."""
    import typer

    from flows.command_line import app

    root = typer.main.get_command(app)
    return "\n\n".join(_command(command, words) for command, words in _walk(root, ("rumormill",)))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    below = getattr(command, "commands", {})
    if not below:
        yield command, words
    order = command.list_commands(None) if below else []
    for name in order:
        yield from _walk(below[name], (*words, name))


def _command(command: Any, words: tuple[str, ...]) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = " ".join([*words, *(_usage(each) for each in arguments), "[OPTIONS]"])
    lines = [f"## {' '.join(words[1:])}", "", f"`{usage}`", "", _prose(command.help or "")]
    rows = [(_flags(each), _about(each)) for each in [*arguments, *options]]
    lines += ["", _table(("argument or option", "meaning"), rows)]
    shown = [line.strip() for line in (command.epilog or "").replace("\\[", "[").split("\n")[1:]]
    if shown:
        lines += ["", "```text", *shown, "```"]
    return "\n".join(lines)


def _prose(text: str) -> str:
    plain = text.replace("\b", "").split("\f")[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in plain.split("\n\n"))


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _flags(parameter: Any) -> str:
    """Return how an argument or option is written, the long form of an option first, with what it takes."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    longest, *others = sorted([*parameter.opts, *parameter.secondary_opts], key=len, reverse=True)
    return ", ".join(f"`{flag}`" for flag in (f"{longest}{_taken(parameter)}", *others))


def _taken(option: Any) -> str:
    annotation = option.type_descriptor.annotation
    if option.is_flag:
        return ""
    if option.metavar:
        return f" {option.metavar}"
    if get_origin(annotation) is Literal:
        return f" {'|'.join(get_args(annotation))}"
    return f" {'NUMBER' if annotation in (int, float) else 'TEXT'}"


def _about(parameter: Any) -> str:
    text = re.sub(r"\.? ?\[dim\](.*?)\[/dim\]", r" (\1).", _markdown(parameter.help or ""))
    shown = parameter.default
    if parameter.param_type_name == "option" and not parameter.is_flag and shown not in (None, (), [], ""):
        text += f" Default: `{getattr(shown, 'value', shown)}`."
    return text


def reports() -> str:
    """Return one row for each report in SQL."""
    from analytics.sql_reports import REPORTS, question

    rows = []
    for name in REPORTS:
        asked = question(name)
        parameters = ", ".join(f"`{key}={value}`" for key, value in asked.parameters.items())
        rows.append((f"`{name}`", asked.purpose, asked.grain, parameters))
    return _table(("report", "question", "a row", "parameters"), rows)


def main() -> None:
    """Write the pages that differ."""
    for path, text in pages().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
