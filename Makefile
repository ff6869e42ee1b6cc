# Chrysalis: what is done often. `make` alone lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
# Without PYTHONWARNINGS an editable build warns of folders named like its packages: they are its packages.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 5

-include cluster.mk

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-zA-Z_%-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.demo ## one scan through two tools on this machine, with the times
	@$(BIN)/chrysalis demo $(ARGS)

.PHONY: serve
serve: $(VENV)/.demo ## the server on this machine, until Ctrl-C
	@$(BIN)/chrysalis serve $(ARGS)

.PHONY: install
install: $(VENV)/.tools ## everything for working on Chrysalis, in .venv

.PHONY: lint
lint: $(VENV)/.tools ## what CI asks of the source: ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(VENV)/.tools ## lay out the source as `make lint` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test
test: $(VENV)/.tools ## every test whose parts are on this machine; the last lines name what was left out
	$(BIN)/python -m pytest $(ARGS)

.PHONY: test-fast
test-fast: $(VENV)/.tools ## the two-minute loop: without the tests marked slow
	CHRYSALIS_SCALE=fast $(BIN)/python -m pytest -m "not slow" $(ARGS)

.PHONY: soak
soak: $(VENV)/.tools ## every test with its full counts (long)
	CHRYSALIS_SCALE=soak $(BIN)/python -m pytest --timeout=7200 $(ARGS)

.PHONY: bench
bench: $(VENV)/.tools ## measure one machine against its budgets and ChRIS (under eight minutes)
	@$(BIN)/python bench/one_machine.py $(ARGS)

bench-%: $(VENV)/.tools ## another bench of the folder bench/, such as bench-broker
	@$(BIN)/python bench/$(subst -,_,$*).py $(ARGS)

.PHONY: clean
clean: ## remove .venv and what the tools keep
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Chrysalis needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "No virtual environments here: apt-get install python3-venv, then make again."; exit 1; }

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) --editable ".[demo]"
	@touch $@

$(VENV)/.tools: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) --editable ".[demo,s3,test]"
	@touch $@ $(VENV)/.demo
