"""How long tests wait for processes that do their work beside them."""

import os

PATIENCE = float(os.environ.get("RUMORMILL_TEST_PATIENCE", "300"))
"""Seconds after which what did not come is taken for never coming: a bound for hanging, no claim about speed.

Set RUMORMILL_TEST_PATIENCE to another number of seconds on a very busy machine.
"""
