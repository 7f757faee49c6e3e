# The only commands anyone has to know. `make run` opens the lab, `make test` proves it; both set up what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test

.PHONY: run setup test lint type format docs bench clean

run: $(STAMP)
	$(BIN)/python app.py

setup: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Lethe needs Python 3.11 or newer; name one with make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment could be made; on Debian: apt-get install python3-venv"; exit 1; }

$(STAMP): requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(TEST_STAMP): requirements-test.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

test: $(TEST_STAMP)
	@scripts/ensure-chromium
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(TEST_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(TEST_STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m backend.docs

bench: $(STAMP)
	$(BIN)/python -m backend.bench

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
