# One-line targets; each sets up .venv by itself with nothing but python3 (3.11 or later) and pip.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NEWEST := .venv-newest-sdk
# What is newest is asked for once a day.
NEWEST_STAMP := $(NEWEST)/.installed-$(shell date +%F)
# Peers of the benchmarks that must not meddle with our own packages.
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
PYFORGE := .venv-pyforge
PYFORGE_STAMP := $(PYFORGE)/.installed
# Every process of a run imports the same modules: compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
export KMFLOW_HOME ?= $(CURDIR)/.kmflow
export DAGSTER_HOME ?= $(KMFLOW_HOME)/dagster

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@echo "==> setting up $(VENV) (a minute or two, only when the lock changes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 …"; exit 3; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

venv: $(STAMP) ## Set up .venv with everything pinned in requirements.lock

demo: $(STAMP) ## Two client groups from landing folders to quality scores, on this machine
	@$(BIN)/kmflow demo $(ARGS)

dev: $(STAMP) ## Embedded workspace, service, Dagster UI and daemon; Ctrl-C stops all
	@$(BIN)/kmflow dev $(ARGS)

test: $(STAMP) ## The tests, but for those below
	@$(BIN)/python -m pytest -m "not spark and not journey" -n auto --dist loadgroup $(ARGS)

test-journeys: $(STAMP) ## Whole demos and days, killed and run again; all that can fail, with marked secrets
	@$(BIN)/python -m pytest -m journey -n auto --dist loadgroup $(ARGS)

test-spark: $(STAMP) ## The shipped SQL on Apache Spark itself against Sail (needs Java 17)
	@$(BIN)/python -m pytest -m spark $(ARGS)

test-postgres: $(STAMP) ## The tests that use a control database, on a PostgreSQL server
	@$(BIN)/python -m pytest -m "not spark" --control-database=postgres -n auto --dist loadgroup $(ARGS)

$(NEWEST_STAMP):
	@test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	@$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade databricks-sdk
	@rm -f $(NEWEST)/.installed-* && touch $@

test-newest-sdk: $(STAMP) $(NEWEST_STAMP) ## The newest databricks-sdk: against a served workspace, and below our own client
	@$(BIN)/python -m kmflow_orchestration_tests.newest_sdk $(NEWEST)/bin/python $(ARGS)

lint: $(STAMP) ## Style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(STAMP) ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

$(PEERS_STAMP): benchmarks/peers.lock
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# What it pins does not install here, so that its packages are named one by one.
$(PYFORGE_STAMP): benchmarks/pyforge.lock
	@test -x $(PYFORGE)/bin/python || $(PYTHON) -m venv $(PYFORGE)
	@$(PYFORGE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

bench: $(STAMP) $(PEERS_STAMP) $(PYFORGE_STAMP) ## Measure, side by side with the peers; writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## Pin what is installed in .venv now
	@{ echo '# Every package of a full development install, by version. Made by `make lock`; holds no index.'; $(BIN)/python -m pip freeze --exclude-editable | grep -vE '^(pip|setuptools|kmflow_orchestration)\b'; } > requirements.lock

clean: ## Remove .venv and all local state
	@rm -rf $(VENV) $(NEWEST) $(PEERS) $(PYFORGE) .kmflow

.PHONY: help venv demo dev test test-journeys test-postgres test-spark test-newest-sdk lint format bench lock clean
