# Every target bootstraps .venv by itself; the stamp files make repeat runs instant.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= auto

.PHONY: help install run test check bench format docs generate
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What is missing is said before anything is made: a half-made environment would be taken for a whole one.
$(VENV)/.created:
	@command -v "$(PYTHON)" >/dev/null || { \
	    echo "Gradwire needs Python 3.11 or later, and there is no $(PYTHON); name one: make run PYTHON=python3.12" >&2; \
	    exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Gradwire needs Python 3.11 or later, and $(PYTHON) is older; name another: make run PYTHON=python3.12" >&2; \
	    exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || "$(PYTHON)" -c 'import ensurepip' 2>/dev/null || { \
	    echo "$(PYTHON) cannot create environments: it lacks ensurepip (on Debian and Ubuntu: apt install python3-venv)" >&2; \
	    exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || "$(PYTHON)" -m venv $(VENV)
	@touch $@

$(RUNTIME): pyproject.toml | $(VENV)/.created
	@echo "installing the server into $(VENV) ..."
	@$(PIP) install --quiet --editable .
	@touch $@

$(DEV): pyproject.toml clients/python/pyproject.toml | $(VENV)/.created
	@echo "installing the server, the SDK and the development tools into $(VENV) ..."
	@$(PIP) install --quiet --editable ".[dev]" --editable clients/python
	@touch $(RUNTIME) $@

install: $(DEV)  ## create .venv with the server, the SDK and the development tools

run: $(RUNTIME)  ## start the server: make run HOST=127.0.0.1 PORT=8000
	$(BIN)/gradwire-server serve --host $(HOST) --port $(PORT)

test: $(DEV)  ## the fast tests (no oracles, nothing marked slow)
	$(BIN)/python -m pytest -n $(WORKERS)

check: $(DEV)  ## everything CI holds the project to: lint, types, layers, generated files, tests, benchmarks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --verbose
	$(BIN)/python clients/python/generate.py --check
	$(BIN)/python docs/generate.py --check
	$(BIN)/python docs/generate_diagnosis.py --check
	$(BIN)/python -m pytest -n $(WORKERS)
	$(BIN)/python -m benchmarks --small

bench: $(DEV)  ## the benchmarks at full size; figures go to benchmarks/README.md
	$(BIN)/python -m benchmarks --write

format: $(DEV)  ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV)  ## write the generated pages and check every link
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/generate_diagnosis.py
	$(BIN)/python -m pytest tests/architecture/test_docs.py

generate: $(DEV)  ## write everything that is generated: the SDK's ops, pages of the docs
	$(BIN)/python clients/python/generate.py
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/generate_diagnosis.py
