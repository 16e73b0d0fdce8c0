# Each target sets up what it needs; a machine with Python 3.11 or newer is enough.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: quickstart test lint test-slow notebooks benchmark clean

## the first figure: coherence of real and random labels, on digits; about half a minute
quickstart: .venv/installed
	@$(BIN)/python -m research.replicate real_and_random_labels \
	  --config=configs/coherence/digits.py:cpu --workdir=runs/quickstart

## lint, format, types and every test but the slow ones
test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow'

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --warnings

## the tests that take long, those of `tests/slow.txt` among them: an hour
test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow

## every notebook whose runs are there, as HTML (each names its folder; GENLAB_RUNS names another)
notebooks: .venv/installed-dev
	$(BIN)/python -m notebooks

## what populations, hypotheses, per-example gradients (beside the tools that are installed), robust averages, streaming and more devices cost
benchmark: .venv/installed-dev
	$(BIN)/python -m benchmarks.population
	$(BIN)/python -m benchmarks.per_example_gradients
	$(BIN)/python -m benchmarks.robust_averaging
	$(BIN)/python -m benchmarks.hypotheses
	$(BIN)/python -m benchmarks.streaming
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.zoo

clean:
	rm -rf .venv build *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("genlab needs Python 3.11 or newer; set PYTHON=python3.12, say" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	@echo 'installing into .venv, about a minute'
	@$(PIP) -e . -c constraints.txt
	@touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	@echo 'installing into .venv what development needs, about a minute'
	@$(PIP) -e '.[dev]' -c constraints.txt
	@touch .venv/installed $@
