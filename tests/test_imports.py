"""What happens when our modules are imported: nothing beside it, and quickly where the command line begins."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.test_architecture import MODULES, PACKAGES, ROOT

IMPORT_EACH = """
    import importlib, json, os, sys, threading
    from pathlib import Path

    def files():
        return sorted(str(path) for folder in sys.argv[3:] for path in Path(folder).rglob("*"))

    for name in json.loads(sys.argv[1]):
        importlib.import_module(name)
    before, offences = files(), []
    for name in json.loads(sys.argv[2]):
        importlib.import_module(name)
        if threading.active_count() > 1:
            offences.append(f"{name} starts {threading.enumerate()[1:]}")
        if files() != before:
            offences.append(f"{name} makes {sorted(set(files()) - set(before))}")
        if offences:
            break
    print(json.dumps(offences))
"""


SETTLING = {"data": [], "propagation": [], "analytics": [], "flows": ["prefect", "matplotlib.figure"]}
"""Libraries that make a folder of settings in the home directory when they are imported: that is theirs, not ours."""


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_happens_at_import(package, tmp_path):
    names = [
        module.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for module in MODULES
        if module.startswith(f"{package}/") and not module.endswith("/__main__.py")
    ]
    folders = [str(tmp_path / name) for name in ("here", "home", "temporary")]
    for folder in folders:
        Path(folder).mkdir()
    here, home, temporary = folders
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {**kept, "HOME": home, "TMPDIR": temporary, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(IMPORT_EACH),
            json.dumps(SETTLING[package]),
            json.dumps(names),
            *folders,
        ],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == []
    slow_fonts = "Matplotlib is building the font cache; this may take a moment.\n"  # said on a busy machine
    assert answer.stderr.replace(slow_fonts, "") == ""
    assert len(answer.stdout.splitlines()) == 1, "an import prints nothing"


LIGHT = ("data", "data.errors", "propagation", "flows.command_line", "flows.launch")
HEAVY = {"pandas", "pyarrow", "numba", "dask", "distributed", "duckdb", "prefect", "matplotlib", "scipy"}


@pytest.mark.parametrize("module", LIGHT)
def test_the_command_line_starts_without_heavy_imports(module):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & set(loaded) == set()
