"""Every snippet of the README and of the pages runs, and prints what its page shows."""

import shutil
from pathlib import Path

import pytest
from snippets import PageRun, needed_files, snippets

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "networks"
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if not {"_build", "notebooks", "generated"} & set(path.relative_to(ROOT).parts)
)
WITH_SNIPPETS = [
    path for path in PAGES if any(s.language in ("python", "sh", "console", "sql") for s in snippets(path.read_text()))
]


@pytest.mark.parametrize("path", WITH_SNIPPETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_snippets_run_and_print_what_the_page_shows(
    path: Path, tmp_path: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    for name in needed_files(path.read_text(encoding="utf-8")):
        if not (REAL / name).exists():
            pytest.skip(f"the page needs {name}, which is not in {REAL}")
        shutil.copy(REAL / name, tmp_path / name)
    run = PageRun(path, tmp_path, environment, rewrite=request.config.getoption("rewrite"))
    run.run()
