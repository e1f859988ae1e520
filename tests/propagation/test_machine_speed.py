"""The calibration: measured once, kept beside the user's caches, and never in the way."""

import json

import pytest

from propagation import machine_speed as module
from propagation.machine_speed import DEGREE, LARGE, SMALL, Calibration, calibration


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RUMORMILL_CACHE", str(tmp_path / "cache"))
    calibration.cache_clear()
    yield tmp_path / "cache"
    calibration.cache_clear()


def test_what_was_measured_is_kept_and_read_again(own_folder, monkeypatch):
    made = calibration()
    assert 1e-11 < made.small < 1e-6
    assert 1e-11 < made.large < 1e-6
    (kept,) = own_folder.glob("calibration-*.json")
    assert json.loads(kept.read_text()) == {"small": made.small, "large": made.large}
    calibration.cache_clear()
    monkeypatch.setattr(module, "_measured", lambda _: pytest.fail("measured again"))
    assert calibration() == made


@pytest.mark.parametrize("content", ["", "{}", '{"small": 1}', "[1, 2]", "no json"])
def test_a_file_that_says_nothing_is_measured_anew(own_folder, monkeypatch, content):
    monkeypatch.setattr(module, "_measured", lambda agents: agents * 1e-9)
    path = module._path()
    path.parent.mkdir()
    path.write_text(content)
    assert calibration() == Calibration(SMALL * 1e-9, LARGE * 1e-9)
    assert json.loads(path.read_text())["small"] == SMALL * 1e-9


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUMORMILL_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(module, "_measured", lambda _: 3e-9)
    calibration.cache_clear()
    assert calibration() == Calibration(3e-9, 3e-9)
    calibration.cache_clear()


def test_costs_grow_with_the_network_between_the_two_that_were_measured_and_a_little_beyond():
    made = Calibration(2e-9, 6e-9)
    assert made.seconds_per_trial(0) == made.seconds_per_trial(1000) == 2e-9
    assert made.seconds_per_trial(SMALL * DEGREE) == pytest.approx(2e-9)
    assert made.seconds_per_trial(LARGE * DEGREE) == pytest.approx(6e-9)
    assert made.seconds_per_trial(10**12) == pytest.approx(8e-9)
    assert Calibration(5e-9, 4e-9).seconds_per_trial(10**9) == 5e-9
