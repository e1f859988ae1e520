"""What pydantic finds wrong, said so that a user can mend it."""

from pydantic import ValidationError


def validation_sentences(error: ValidationError) -> str:
    """Return what pydantic found wrong as sentences: name, rule, value."""
    sentences = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        given = "" if problem["type"] in {"missing", "value_error"} else f" (given: {problem['input']!r})"
        sentences.append(f"{where + ': ' if where else ''}{message}{given}")
    return "; ".join(sentences)
