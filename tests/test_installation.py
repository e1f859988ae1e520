"""What `make` and `pip` are told agrees: supported Pythons, bounds of dependencies, pinned versions."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKE = (ROOT / "Makefile").read_text()


def run_make(folder: Path, scripts: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Make an environment where the only Pythons are shell scripts of these names."""
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    target = str(folder / "venv")
    command = ["/usr/bin/env", "make", "-f", str(ROOT / "Makefile"), f"VENV={target}", f"{target}/bin/python", *options]
    return subprocess.run(command, env={"PATH": f"{folder}:/usr/bin:/bin"}, capture_output=True, text=True)


def test_make_knows_the_pythons_that_are_supported() -> None:
    supported = SpecifierSet(PROJECT["requires-python"])
    minors = [minor for minor in range(30) if f"3.{minor}" in supported]
    newest_first = [f"python3.{minor}" for minor in reversed(minors)]
    assert re.findall(r"^PYTHONS := (.+)$", MAKE, re.MULTILINE) == [" ".join([*newest_first, "python3"])]
    assert f"(3, {minors[0]}) <= sys.version_info < (3, {minors[-1] + 1})" in MAKE
    listed = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python ::")]
    assert listed == [f"3.{minor}" for minor in minors]


def test_make_takes_the_newest_python_that_runs(tmp_path: Path) -> None:
    shim = 'echo "pyenv: $0: command not found" >&2; exit 127'
    made = run_make(tmp_path, {"python3.13": shim, "python3.12": 'echo "$0 $*" >> "${0%/*}/log"', "python3.11": shim})
    assert made.returncode == 0, made.stderr
    assert "command not found" not in made.stderr
    assert (tmp_path / "log").read_text().splitlines()[-1].endswith(f"python3.12 -m venv {tmp_path}/venv")


@pytest.mark.parametrize("named", ["", "python3.9"])
def test_make_says_when_no_python_fits(tmp_path: Path, named: str) -> None:
    names = ["python3.13", "python3.12", "python3.11", "python3", "python3.9"]
    made = run_make(tmp_path, dict.fromkeys(names, "exit 1"), *([f"PYTHON={named}"] if named else []))
    assert made.returncode == 2
    assert "Rumormill needs Python 3.11, 3.12 or 3.13" in made.stderr
    assert f"among: {named or 'python3.13 python3.12 python3.11 python3'}; install one" in made.stderr


@pytest.mark.xdist_group("one")
def test_tests_of_a_group_share_a_worker(request: pytest.FixtureRequest) -> None:
    """The group goes to the scheduler at the end of the test's id; without it every worker starts every server."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("needs --dist loadgroup, as in `make test`")
    assert request.node.nodeid.endswith("@one")


def test_pinned_versions_keep_the_bounds() -> None:
    pinned = re.findall(r"^([\w.-]+)==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    pins = {canonicalize_name(name): version for name, version in pinned}
    listed = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    requirements = [Requirement(line) for lines in listed for line in lines]
    others = [requirement for requirement in requirements if requirement.name != PROJECT["name"]]
    assert {requirement.name for requirement in others if canonicalize_name(requirement.name) not in pins} == set()
    assert [str(each) for each in others if pins[canonicalize_name(each.name)] not in each.specifier] == []
