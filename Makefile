# Noroshi from a clean clone. Debian 12 needs: apt-get install -y git make python3-venv
# `make help` lists what there is to do.

SHELL  := /bin/bash
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help check demo test lint test-heavy bench clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

check:
	@for tool in git make; do command -v $$tool >/dev/null || { \
	  echo "noroshi: '$$tool' is missing. On Debian: apt-get install -y $$tool" >&2; exit 2; }; done
	@command -v $(PYTHON) >/dev/null || { \
	  echo "noroshi: '$(PYTHON)' is missing. On Debian: apt-get install -y python3-venv" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "noroshi: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "noroshi: Python's venv module is missing. On Debian: apt-get install -y python3-venv" >&2; exit 2; }

# A venv whose making was interrupted has no working pip: it is made again.
$(VENV)/.stamp-venv: | check
	@$(PIP) --version >/dev/null 2>&1 || { echo "making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(VENV)/.stamp-install: pyproject.toml constraints.txt $(VENV)/.stamp-venv
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.stamp-test: pyproject.toml constraints.txt $(VENV)/.stamp-venv
	$(PIP) install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.stamp-install

demo: check $(VENV)/.stamp-install  ## install, then the whole way on the bundled samples
	$(BIN)/noroshi demo

lint: check $(VENV)/.stamp-test  ## style, types, and who may import whom
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

test: lint  ## lint, then all tests but the heavy ones
	$(BIN)/python -m pytest -m "not heavy" -n 2 --dist worksteal

test-heavy: check $(VENV)/.stamp-test  ## the tests that take minutes; results in bench/results
	$(BIN)/python -m bench.heavy -n 2 --dist worksteal

bench: check $(VENV)/.stamp-test  ## every claim of speed, beside its peers; results in bench/results
	$(BIN)/python -m bench.all

clean:  ## remove the venv, caches, and generated data; lakes and reports stay
	rm -rf $(VENV) .cache build dist bench/data .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
