"""Notebooks of the repository as pages: copied into the site's sources before it is read, where there are any."""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TITLE = "# Notebooks\n\n"
NONE = "This copy of the repository has no notebooks."
INTRODUCTION = """Each page is a notebook of the folder `notebooks/`, executed when the site was built.
`pip install 'rumormill[notebooks]'` installs JupyterLab to run them yourself.

"""


def copy_notebooks(app: Sphinx) -> None:
    """Copy the notebooks and the files beside them into the folder ``notebooks`` of the sources, with a page above.

    Files that have not changed keep their times, so that Sphinx reads only what is new.
    """
    folder = Path(app.srcdir) / "notebooks"
    folder.mkdir(exist_ok=True)
    sources = sorted(path for path in NOTEBOOKS.glob("*") if path.is_file()) if NOTEBOOKS.is_dir() else []
    for stale in folder.iterdir():
        if stale.name not in {*(path.name for path in sources), "index.md"}:
            stale.unlink() if stale.is_file() else shutil.rmtree(stale)
    for path in sources:
        if not (folder / path.name).exists() or (folder / path.name).read_bytes() != path.read_bytes():
            shutil.copy(path, folder / path.name)
    names = [path.stem for path in sources if path.suffix == ".ipynb"]
    if names and (folder.parent / "notebooks.md").exists():  # a page about them, written by hand
        names.insert(0, "About the notebooks </notebooks>")
    listed = "\n".join(["```{toctree}", ":maxdepth: 1", "", *names, "```", ""])
    page = TITLE + (INTRODUCTION + listed if names else NONE + "\n")
    index = folder / "index.md"
    if not index.exists() or index.read_text(encoding="utf-8") != page:
        index.write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Copy the notebooks when the build begins."""
    app.connect("builder-inited", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
