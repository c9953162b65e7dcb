# Tasks of the project: `make` lists them. CI (.ci/run) runs the same targets.
# PYTHON=/path/to/python chooses the interpreter of the environment (3.11, 3.12 or 3.13).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
DEMO_INDEX := .rlm-search/demo
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && { echo $$p; break; }; done)
# the interpreters of the other versions that are here, with colons between: workers of the sandbox run on each
OTHER_PYTHONS = $(shell for v in 3.11 3.12 3.13; do for p in python$$v "$$HOME"/.pyenv/versions/$$v.*/bin/python$$v; do \
	"$$p" -Ec "import sys; print(sys.executable); sys.exit('%d.%d' % sys.version_info[:2] != '$$v')" 2>/dev/null && break; \
	done; done | paste -sd:)
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup fix check test coverage integration integration-all bench demo docs archive wheel clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

# --- environment: built once, then kept until pyproject.toml changes -------------------------------------------------

$(BIN)/python:
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "rlm-search needs Python 3.11, 3.12 or 3.13 ($(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>&1 | tail -n 1)): install one, or name it: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@echo "Making the environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no environment: $(PYTHON) lacks the venv module (Debian: apt install python3-venv)" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing rlm-search and its dependencies (once; a minute or two)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing rlm-search, its dependencies and the developers' tools (once; a minute or two)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-integration: $(VENV)/.installed-dev
	@echo "Installing Ray and the servers that stand in for cloud storage, for the integration tests (once; 600 MB)"
	@$(PIP_INSTALL) --editable '.[dev,ray,emulators]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	@$(PIP_INSTALL) --editable '.[dev,bench]'
	@touch $@

setup: $(VENV)/.installed-dev ## make .venv and install rlm-search with the developers' tools

# --- the two commands of the README ----------------------------------------------------------------------------------

demo: $(VENV)/.installed ## index examples/archive and ask it three questions; no server, key or network
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh $(DEMO_INDEX)

test: check ## lint, types, import rules, and every test that needs no server; coverage held at 90 %
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -m "not integration"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

# --- for developers --------------------------------------------------------------------------------------------------

fix: setup ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: setup ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: setup ## lines that all tests run, those of the search servers too (OPENSEARCH_URL, ELASTICSEARCH_URL)
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --omit=none

integration: $(VENV)/.installed-integration ## tests that start processes, kill them, or build and install the wheel
	$(BIN)/python -m pytest -m integration

# OPENSEARCH_URL, ELASTICSEARCH_URL, ELASTICSEARCH8_URL, OPENSEARCH_CLUSTER_URL, ELASTICSEARCH_CLUSTER_URL name servers
integration-all: $(VENV)/.installed-integration ## the same, with fifty moments of kill -9 in place of a few, the slow ones, and every Python
	RLM_SEARCH_TEST_KILLS=50 RLM_SEARCH_TEST_FILES=200000 RLM_SEARCH_TEST_SLOW=1 RLM_SEARCH_TEST_ATTACKS=all \
		RLM_SEARCH_TEST_PYTHONS="$(OTHER_PYTHONS)" $(BIN)/python -m pytest -m integration

bench: $(VENV)/.installed-bench ## figures beside bare libraries; RLM_SEARCH_TEST_DATA names the data of most of them
	@for bench in sandbox loop small_files $(if $(RLM_SEARCH_TEST_DATA),parse embed ingest search quality); do \
		echo; echo "== bench/$$bench.py"; $(BIN)/python -m bench.$$bench; done
	@[ -n "$(RLM_SEARCH_TEST_DATA)" ] || echo "Set RLM_SEARCH_TEST_DATA for parse, embed, ingest, search and quality." >&2

docs: setup ## write docs/cli.md and the keys in docs/configuration.md again
	$(BIN)/python scripts/make_docs.py

archive: setup ## render the PDF and docx files of examples/archive again from examples/source
	$(BIN)/python scripts/make_example_archive.py

wheel: setup ## build dist/*.whl
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls -l dist/*.whl

clean: ## remove the environment, caches, builds and the demo's index
	rm -rf $(VENV) dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(DEMO_INDEX)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
