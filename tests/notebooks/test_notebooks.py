"""The notebooks: their form, in every test run; their execution, which takes minutes, in `make notebooks` only."""

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HANGING = 180
"""Seconds after which nbclient takes a cell for hanging, unless its reply is there: on a busy machine it sometimes
waits this long for a reply that has arrived."""
BEGINNING = re.compile(
    r"# \S.+\n\n"
    r"\*\*You learn\*\* (.|\n)+\.\n\n"
    r"\*\*Runtime:\*\* about \d+ seconds on two cores\."
)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def named(path: Path) -> str:
    return path.stem


# -- form -----------------------------------------------------------------------------------------------------------


def test_the_notebooks_are_there() -> None:
    assert [path.stem.partition("-")[0] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(1, 11)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_a_notebook_has_no_outputs(path: Path) -> None:
    code = cells(path, "code")
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None and not cell["metadata"] for cell in code)
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_a_notebook_begins_with_title_purpose_and_runtime(path: Path) -> None:
    texts = ["".join(cell["source"]) for cell in cells(path, "markdown")]
    assert BEGINNING.match(texts[0])
    levels = [len(mark) for text in texts for mark in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


# -- execution ------------------------------------------------------------------------------------------------------


def executed(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Run a notebook from top to bottom in a folder; return the outputs of all cells. An error in a cell fails."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    folder.mkdir(exist_ok=True)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=HANGING, kernel_name="python3", resources=where).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def complaints(outputs: list[dict[str, Any]]) -> list[str]:
    """Return what was written to standard error: warnings, which a reader should not see."""
    return [output["text"] for output in outputs if output["output_type"] == "stream" and output["name"] == "stderr"]


BARS = """
from data.progress import ProgressBars
with ProgressBars() as bars:
    bars("simulating", 1, 2)
"""


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep kernels from the user's settings; return the folder in which they run."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    monkeypatch.delenv("RUMORMILL_WAREHOUSE", raising=False)
    return tmp_path / "work"


@pytest.mark.notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_a_notebook_runs_from_top_to_bottom(path: Path, apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "RUMORMILL_SHARED" not in os.environ:
        monkeypatch.setenv("RUMORMILL_SHARED", str(ROOT.parent / "shared"))
    outputs = executed(path, apart)
    assert any("image/png" in output.get("data", {}) for output in outputs) or path.stem == "07-cluster"
    assert not complaints(outputs)


@pytest.mark.notebooks
def test_without_the_real_cascade_a_stand_in_shows_the_steps(apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMORMILL_SHARED", str(apart / "absent"))
    printed = "".join(output["text"] for output in executed(NOTEBOOKS[5], apart) if output["output_type"] == "stream")
    assert "The Higgs data are not here" in printed


@pytest.mark.notebooks
def test_a_notebook_that_ran_before_runs_again(apart: Path) -> None:
    """What was published is read, and an equal campaign is not published twice."""
    for _ in range(2):
        assert not complaints(executed(NOTEBOOKS[4], apart))


@pytest.mark.notebooks
def test_bars_leave_nothing_in_a_notebook(apart: Path) -> None:
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(BARS)])
    apart.mkdir()
    nbformat.write(notebook, apart / "bars.ipynb")
    (left,) = executed(apart / "bars.ipynb", apart)
    assert left["data"] == {"text/html": ""}
