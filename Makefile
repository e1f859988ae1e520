# Rumormill: every command a newcomer needs. Set-up that is already done is skipped.
ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
VENV := $(ROOT)/.venv
BIN := $(VENV)/bin
PYTHONS := python3.13 python3.12 python3.11 python3

.PHONY: demo setup kernels test notebooks lint docs docs-pages docs-picture docs-test bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.ready  ## Generate a network, compare seed strategies, show the results (FILE=edges.txt imports a file)
	@cd $(ROOT) && $(BIN)/rumormill demo $(FILE)

setup: $(VENV)/.ready-docs  ## Install all that lint, tests and the documentation need

kernels: $(VENV)/.ready-test  ## Compile the kernels; two workers that need them at once would compile each of them twice
	@cd $(ROOT) && $(BIN)/pytest tests/propagation/test_blocked_and_ranges.py -k any_kernel_family

test: $(VENV)/.ready-test  ## Run all tests
	@cd $(ROOT) && $(BIN)/pytest -n 2 --dist loadgroup

notebooks: $(VENV)/.ready-notebooks  ## Execute all notebooks from top to bottom (some minutes)
	@cd $(ROOT) && $(BIN)/pytest tests/notebooks -m notebooks --durations=0

lint: $(VENV)/.ready-test  ## Style, types, architecture
	@cd $(ROOT) && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@cd $(ROOT) && $(BIN)/mypy
	@cd $(ROOT) && $(BIN)/pytest tests/test_architecture.py

docs: docs-pages  ## Build the documentation site in docs/_build/html
	@cd $(ROOT) && $(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "The site is $(ROOT)/docs/_build/html/index.html"

docs-pages: $(VENV)/.ready-docs  ## Write what pages take from the code: tables, commands, models, keys of campaigns
	@cd $(ROOT) && $(BIN)/python docs/tools/generated_pages.py

docs-picture: $(VENV)/.ready-docs  ## Draw the picture of the README
	@cd $(ROOT) && $(BIN)/python -m flows.demo docs/images/demo.png

docs-test: $(VENV)/.ready-docs  ## Run every snippet of the documentation, execute the notebooks, build the site
	@cd $(ROOT) && $(BIN)/pytest docs/tests docs/tools -n 2 --dist loadgroup

bench: $(VENV)/.ready-bench  ## Measure Rumormill beside its peers (a quarter of an hour)
	@cd $(ROOT) && $(BIN)/python -m benchmarks.speed

clean:  ## Remove the environment, caches and the demo's warehouse
	rm -rf $(VENV) $(ROOT)/warehouse $(ROOT)/.mypy_cache $(ROOT)/.ruff_cache $(ROOT)/.pytest_cache
	find $(ROOT) -name __pycache__ -prune -exec rm -rf {} +

# A name on PATH need not be a Python that runs: pyenv's shims of versions that are not chosen only say so.
$(BIN)/python:
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
		$$python -c "import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" 2>/dev/null || continue; \
		echo "Making $(VENV) with $$python"; \
		exec $$python -m venv $(VENV); \
	done; \
	echo "Rumormill needs Python 3.11, 3.12 or 3.13 with its venv module; found none that runs among:" \
		"$(or $(PYTHON),$(PYTHONS)); install one, or run: make PYTHON=<path of one> $(MAKECMDGOALS)" >&2; \
	exit 2

COMMA := ,
define install
	@echo "Installing Rumormill and its pinned dependencies into $(VENV) (a minute or two)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c $(ROOT)/constraints.txt -e '$(ROOT)$(1)'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # pip compiles on one core; some files are no Python 3
	@find $(ROOT)/data $(ROOT)/propagation -name '*.nb[ic]' -delete  # kernels compiled for another version
	@touch $@
endef

$(VENV)/.ready: $(ROOT)/pyproject.toml $(ROOT)/constraints.txt | $(BIN)/python
	$(call install,)

$(VENV)/.ready-test: $(ROOT)/pyproject.toml $(ROOT)/constraints.txt | $(BIN)/python
	$(call install,[test])
	@touch $(VENV)/.ready

$(VENV)/.ready-docs: $(ROOT)/pyproject.toml $(ROOT)/constraints.txt | $(BIN)/python
	$(call install,[docs])
	@touch $(VENV)/.ready $(VENV)/.ready-test $(VENV)/.ready-notebooks

$(VENV)/.ready-notebooks: $(ROOT)/pyproject.toml $(ROOT)/constraints.txt | $(BIN)/python
	$(call install,[test$(COMMA)notebooks])
	@touch $(VENV)/.ready $(VENV)/.ready-test

$(VENV)/.ready-bench: $(ROOT)/pyproject.toml $(ROOT)/constraints.txt | $(BIN)/python
	@echo "One of the peers, PyNetIM, is compiled from source: some five minutes, the first time"
	$(call install,[bench])
	@touch $(VENV)/.ready
