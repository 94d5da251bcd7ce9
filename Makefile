# The commands of the project. A bare machine needs make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
PORT ?= 3000
export DAGSTER_HOME ?= $(CURDIR)/dagster_home
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo ui test lint format bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter of .venv; PORT=3001 the port of make ui."

install: $(INSTALLED) ## Create .venv with the locked dependencies (the other targets do it too)

demo: $(INSTALLED) ## Scan 2,000 books and take them through the graph to a training set (simulated market)
	@$(BIN)/pricing demo

ui: $(INSTALLED) ## Start the Dagster UI with its sensor and schedules on http://127.0.0.1:PORT
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/.venv" \
		$(BIN)/dg dev --use-active-venv --host 127.0.0.1 --port $(PORT)

# With bytecode even where it is switched off: a process of ours starts in 1.4 s instead of 1.9.
# Without the threads that numpy's library starts in each and nobody needs. Four at once, since
# many tests wait, in the order of tests/conftest.py, which begins with the slow ones.
test: $(INSTALLED) ## Run all tests, on SQLite and on PostgreSQL
	@OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 \
		--dist loadfile --no-loadscope-reorder

lint: $(INSTALLED) ## Check format, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## Measure the bulk paths and write benchmarks/results.json
	@$(BIN)/python -m benchmarks

lock: $(INSTALLED) ## Resolve requirements.lock anew from pyproject.toml (needs a package index)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras \
		--no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean: ## Remove .venv and caches; data and Dagster's history stay
	rm -rf .venv build .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an installation that was cut short is taken up again.
$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name yours:" \
			"make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version 2>&1) is too old: Python 3.11 or newer is needed." \
			"Name a newer one: make $(or $(MAKECMDGOALS),install) PYTHON=python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments." \
			"On Debian and Ubuntu: apt install python3-venv, then try again."; exit 1; } >&2
	@echo "Installing the locked dependencies into .venv (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --require-hashes --no-deps \
		--requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
