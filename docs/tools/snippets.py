"""Snippets of a page in Markdown: found, run from top to bottom, and compared with the output that the page shows.

| block | what is done with it |
| --- | --- |
| ``python`` | executed; all blocks of a page share their names |
| ``sh`` | executed: plain ``rumormill`` commands within this process, which is faster; everything else by bash |
| ``console`` | each command after a ``$`` is executed likewise; the lines below it are its output |
| ``sql`` | given to ``rumormill sql`` |
| ``text``, directly below one of these | its output |
| any below ``<!-- file: NAME -->`` | written to the file NAME |
| any below ``<!-- not run: REASON -->`` | skipped |

Blocks within ``<!-- setup ... -->`` are executed like others but not shown to readers. A page that says
``<!-- needs: FILE -->`` is given this file of the real networks, or skipped where it is absent.

In an output, ``...`` stands for any text. Durations, sizes of memory, clock times, numbers of threads and batches, and
where lines are broken may differ.
"""

import contextlib
import io
import linecache
import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

RUN = ("python", "sh", "console", "sql")
"""Languages of blocks that are run."""
_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[^\s`]*)[^\n]*\n(?P<text>.*?)^(?P=fence) *$", re.MULTILINE | re.DOTALL
)
_NOTE = re.compile(r"<!-- (?P<key>file|not run): (?P<value>[^\n]+?) -->\s*\Z")
_NEEDS = re.compile(r"^<!-- needs: (.+?) -->$", re.MULTILINE)
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( ?Z| UTC|\+00:00)?"), "<time>"),
    (re.compile(r"\d[\d,.]*(?:e-?\d+)? (s|ms|KiB|MiB|GiB|thread|batch)(?:es|s)?\b"), r"<some> \1"),
    (re.compile(r"─+"), "─"),
)


class SnippetError(AssertionError):
    """A snippet failed, or printed something else than its page shows."""


@dataclass(frozen=True)
class Snippet:
    """A block of a page.

    Attributes
    ----------
    language, text : str
        As in the page.
    line : int
        Line of the page on which the text begins.
    start, end : int
        Characters of the page that the text takes.
    notes : mapping
        ``file`` or ``not run``, with its value.
    output : Snippet or None
        The output that the page shows below it.
    """

    language: str
    text: str
    line: int
    start: int
    end: int
    notes: Mapping[str, str] = field(default_factory=dict)
    output: "Snippet | None" = None


def snippets(page: str) -> list[Snippet]:
    r"""Return the blocks of a page in their order; outputs belong to the block above them.

    Examples
    --------
    >>> (snippet,) = snippets("```python\nprint(1)\n```\n\n```text\n1\n```\n")
    >>> snippet.language, snippet.text, snippet.output.text
    ('python', 'print(1)\n', '1\n')
    """
    found: list[Snippet] = []
    last = 0
    for match in _FENCE.finditer(page):
        between = page[last : match.start()]
        note = _NOTE.search(between)
        notes = {note["key"]: note["value"]} if note else {}
        start, end = match.span("text")
        line = page.count("\n", 0, start) + 1
        snippet = Snippet(match["language"], match["text"], line, start, end, notes)
        is_output = snippet.language == "text" and found and found[-1].language in RUN and not between.strip()
        if is_output and found[-1].output is None:
            found[-1] = replace(found[-1], output=snippet)
        else:
            found.append(snippet)
        last = match.end()
    return found


def needed_files(page: str) -> list[str]:
    """Return the files of real networks that a page needs."""
    return _NEEDS.findall(page)


def same_output(shown: str, printed: str) -> bool:
    r"""Return whether an output is the one that a page shows, apart from what may differ.

    Examples
    --------
    >>> same_output("3 lanes in 0.74 s\n...\n", "3 lanes in 12.1 s\nmore\n")
    True
    >>> same_output("reach 3.0", "reach 4.0")
    False
    """
    parts = [re.escape(part) for part in _comparable(shown).split("...")]
    return re.fullmatch(".*".join(parts), _comparable(printed), re.DOTALL) is not None


def plain_commands(script: str) -> list[list[str]] | None:
    r"""Return the words of each line of a script after ``rumormill``, or None if the script needs a shell.

    Examples
    --------
    >>> plain_commands("rumormill sql 'FROM networks'   # all\nrumormill models")
    [['sql', 'FROM networks'], ['models']]
    >>> plain_commands("rumormill sql - < question.sql")
    """
    commands = []
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        if not words:
            continue
        if words[0] != "rumormill" or any(re.fullmatch(r"[();<>|&]+|.*\$.*|.*`.*", word) for word in words):
            return None
        commands.append(words[1:])
    return commands


def _comparable(output: str) -> str:
    for pattern, replacement in _VARYING:
        output = pattern.sub(replacement, output)
    return " ".join(output.split())


class PageRun:
    """One run of a page in a folder of its own.

    Parameters
    ----------
    path : Path
        The page.
    folder : Path
        Where its snippets run; its warehouse is ``warehouse`` below it.
    environment : mapping
        Environment of its commands.
    rewrite : bool
        Write what was printed into the page, instead of comparing.
    """

    def __init__(self, path: Path, folder: Path, environment: Mapping[str, str], *, rewrite: bool = False) -> None:
        self.path = path
        self.folder = folder
        self.environment = dict(environment)
        self.rewrite = rewrite
        self.page = path.read_text(encoding="utf-8")
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._replacements: list[tuple[int, int, str]] = []

    def run(self) -> int:
        """Run all snippets; return how many ran.

        Raises
        ------
        SnippetError
            At the first that fails or prints something else.
        """
        ran = 0
        with self._inside():
            for snippet in snippets(self.page):
                if "not run" in snippet.notes:
                    continue
                if name := snippet.notes.get("file"):
                    (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (self.folder / name).write_text(snippet.text, encoding="utf-8")
                elif snippet.language in RUN:
                    self._run(snippet)
                    ran += 1
        if self._replacements:
            self._write()
        return ran

    def _run(self, snippet: Snippet) -> None:
        if snippet.language == "console":
            self._converse(snippet)
            return
        if snippet.language == "python":
            printed = self._python(snippet)
        elif snippet.language == "sql":
            printed = self._shell("rumormill sql -", snippet.line, snippet.text)
        else:
            printed = self._shell(snippet.text, snippet.line)
        if snippet.output is not None:
            self._compare(snippet.output.text, printed, snippet.output.line, snippet.output.start)

    def _converse(self, snippet: Snippet) -> None:
        """Run the commands of a console one by one; lines below a command are its output."""
        for match in re.finditer(
            r"^\$ (?P<command>.*\n(?:> .*\n)*)(?P<shown>(?:(?!\$ ).*\n)*)", snippet.text, re.MULTILINE
        ):
            line = snippet.line + snippet.text.count("\n", 0, match.start())
            command = match["command"].replace("\n> ", "\n")
            printed = self._shell(command, line, fails="error:" in match["shown"])
            blank = "\n" if match["shown"].endswith("\n\n") else ""
            self._compare(match["shown"], printed, line, snippet.start + match.start("shown"), blank)

    def _compare(self, shown: str, printed: str, line: int, start: int, blank: str = "") -> None:
        printed = printed.replace(f"{self.folder}{os.sep}", "")
        if same_output(shown, printed):
            return
        if not self.rewrite:
            raise SnippetError(f"{self.path.name}, line {line} shows\n{shown}\nbut it printed\n{printed}")
        lines = [each.rstrip() for each in printed.strip("\n").splitlines()]
        self._replacements.append((start, start + len(shown), "".join(f"{each}\n" for each in lines) + blank))

    def _write(self) -> None:
        text = self.page
        for start, end, printed in sorted(self._replacements, reverse=True):
            text = text[:start] + printed + text[end:]
        self.path.write_text(text, encoding="utf-8")

    def _python(self, snippet: Snippet) -> str:
        """Execute Python in the names of the page; return what it printed."""
        name = f"<{self.path.name}, line {snippet.line}>"
        linecache.cache[name] = (len(snippet.text), None, snippet.text.splitlines(keepends=True), name)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(snippet.text, name, "exec"), self._names)  # noqa: S102 (the page is ours)
        except Exception as error:
            raise SnippetError(
                f"{self.path.name}, line {snippet.line}: the block failed\n{traceback.format_exc()}"
            ) from error
        return printed.getvalue()

    def _shell(self, script: str, line: int, given: str = "", *, fails: bool = False) -> str:
        """Run a script; return what it printed, errors included."""
        commands = plain_commands(script)
        if commands is None:
            return self._bash(script, line, given, fails=fails)
        from flows.command_line import app

        printed = ""
        for words in commands:
            result = CliRunner().invoke(app, words, input=given)
            printed += result.output
            if (result.exit_code != 0) != fails:
                problem = "".join(traceback.format_exception(result.exception)) if result.exception else ""
                raise SnippetError(
                    f"{self.path.name}, line {line}: exit code {result.exit_code} of\nrumormill {shlex.join(words)}\n"
                    f"{result.output}{problem}"
                )
        return printed

    def _bash(self, script: str, line: int, given: str, *, fails: bool) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if (done.returncode != 0) != fails:
            raise SnippetError(
                f"{self.path.name}, line {line}: exit code {done.returncode} of\n{script}\n{done.stdout}"
            )
        return done.stdout

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Work in the folder; afterwards forget the modules that were imported from it."""
        before, path = Path.cwd(), list(sys.path)
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            os.chdir(before)
            sys.path[:] = path
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                    del sys.modules[name]
