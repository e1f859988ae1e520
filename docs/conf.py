"""Settings of the documentation site: ``make docs`` builds it in docs/_build/html, without the network."""

import os
import sys
from importlib import metadata
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "extensions"))

if (DOCS.parents[1] / "shared").is_dir():  # real data for notebooks; without it they use a stand-in
    os.environ.setdefault("RUMORMILL_SHARED", str(DOCS.parents[1] / "shared"))

project = "Rumormill"
author = "the authors of Rumormill"
version = release = metadata.version("rumormill")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "notebook_pages",
]
exclude_patterns = ["_build", "extensions", "templates"]
templates_path = ["templates"]
# Docstrings name what they refer to in single backticks: a link where that is on a page, else set as code.
default_role = "py:obj"
suppress_warnings = ["mystnb.unknown_mime_type"]  # widgets, in pages without JavaScript: their text is shown

# -- pages in Markdown, and notebooks -------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "notebooks")
nb_execution_in_temp = True  # each with a warehouse of its own
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # would be loaded from the network
nb_merge_streams = True

# -- the API, from docstrings ---------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections give types in words
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_preprocess_types = False

# -- appearance -----------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"Rumormill {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
