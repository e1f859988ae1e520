"""The site builds without a warning, from pages that are up to date, and needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from generated_pages import DOCS, pages
from mathml import mathml
from snippets import SnippetError, snippets
from sphinx.errors import ExtensionError

from propagation.models import MODELS

ROOT = DOCS.parent
pytestmark = pytest.mark.xdist_group("site")  # one worker builds it
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|next|prev|search|index))[^>]*?\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:url\(|@import\s+)["']?((?:https?:)?//[^"'\s)]+)""",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from nothing; notebooks that were executed before are taken from their cache."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-d", str(folder / "doctrees")]
    built = subprocess.run([*command, str(DOCS), str(folder / "html")], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_pages_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run `make docs-pages`"


def test_every_model_has_a_page_with_an_equation(site: Path) -> None:
    for name in MODELS:
        page = (site / "reference" / "models" / f"{name}.html").read_text(encoding="utf-8")
        assert "<math" in page, name
        assert "$$" not in page, name


def test_every_notebook_is_a_page(site: Path) -> None:
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        assert "cell_output" in page, notebook.name


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 50
    found = {file.name: LOADED.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {name: loaded for name, loaded in found.items() if loaded} == {}


@pytest.mark.parametrize(
    "page",
    ['<script src="https://a.example/b.js">', "@import 'https://a/b.css'", '<link rel="stylesheet" href="//a/b">'],
)
def test_what_would_be_loaded_is_found(page: str) -> None:
    assert LOADED.search(page)


@pytest.mark.parametrize("tex", [r"\left( x", r"\summ x"])
def test_an_equation_that_cannot_be_converted_is_quoted(tex: str) -> None:
    assert mathml("x_1", "inline").startswith("<math")
    with pytest.raises(ExtensionError, match=re.escape(repr(tex))):
        mathml(tex, "block")


def test_an_output_belongs_to_the_block_above_it() -> None:
    page = "```sh\nls\n```\n\n```text\na\n```\n\nWords.\n\n```text\nb\n```\n\n<!-- not run: no -->\n```sql\nx\n```\n"
    listing, other, skipped = snippets(page)
    assert listing.output is not None
    assert (listing.output.text, other.language, skipped.notes) == ("a\n", "text", {"not run": "no"})


@pytest.mark.parametrize("shown", ["2\n", ""])
def test_a_page_that_shows_something_else_fails(tmp_path: Path, shown: str) -> None:
    from snippets import PageRun

    path = tmp_path / "page.md"
    path.write_text(f"```python\nprint(1)\n```\n\n```text\n{shown}```\n")
    with pytest.raises(SnippetError, match="line 6 shows"):
        PageRun(path, tmp_path, {}).run()
