"""Fixtures that tests of all packages share."""

from pathlib import Path

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real networks and cascades beside the repository; skip where there is none."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real networks are not here: {folder}")
    return folder


pytest.register_assert_rewrite("tests.data", "tests.reference")  # what they compare is told like in a test
settings.register_profile("shared-machine", deadline=None)  # compiling, or a busy neighbour, says nothing about code
settings.load_profile("shared-machine")
