"""The command ``rumormill models``: the models, their parameters and what these mean."""

from typing import Annotated, Any

import typer

from flows.commands.options import JsonOption, examples
from flows.commands.terminal import print_json, print_line, print_table


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model, to see its rules and parameters.")
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--models", metavar="FILE", help="Python file with models of your own; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models with their parameters, or describe one of them."""
    from data.errors import InvalidInputError
    from data.validation import suggestion
    from propagation.models import known_models
    from propagation.models.description import describe

    known = known_models(files or [])
    if name is None:
        listed = [_listed(describe(known[each])) for each in known]
        if as_json:
            print_json(listed)
        else:
            print_table([{**row, "parameters": _written(row["parameters"])} for row in listed])
        return
    if name not in known:
        raise InvalidInputError(f"no model {name!r}{suggestion(name, known)}; models are {', '.join(known)}")
    described = describe(known[name])
    if as_json:
        print_json({**_listed(described), "meanings": {each.name: each.meaning for each in described.parameters}})
        return
    for paragraph in described.text.split("\n\n"):
        if paragraph.startswith("|"):
            header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in paragraph.split("\n"))
            print_table([dict(zip(header, row, strict=True)) for row in rows])
        else:
            print_line(paragraph)
            print_line("")
    if described.parameters:
        print_table(
            [
                {"parameter": each.name, "type": each.type, "default": each.default, "meaning": each.meaning}
                for each in described.parameters
            ]
        )


def _listed(described: Any) -> dict[str, Any]:
    parameters = {each.name: each.default for each in described.parameters}
    return {"model": described.name, "parameters": parameters, "rules": described.summary}


def _written(parameters: dict[str, Any]) -> str:
    return ", ".join(name if default is None else f"{name} {default}" for name, default in parameters.items())


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples("rumormill models", "rumormill models sir", "rumormill models --models rumour.py"),
    )(models)
