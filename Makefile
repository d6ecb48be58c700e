# Everything a checkout needs. `make` alone lists the targets; `make PYTHON=python3.12 run` chooses another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# one thread per process: critics are small, and estimates run side by side
export OMP_NUM_THREADS ?= 1
# tests at a time; those of one file stay together, and files in order
JOBS ?= 2
# random kills of runs and workers that `make chaos` does
CHAOS_KILLS ?= 300

.DEFAULT_GOAL := help
.PHONY: help install run test test-all chaos bench wheelhouse ui docs constraints clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## set up .venv from constraints.txt (every target below does it when needed)

run: $(INSTALLED) ## run the quick benchmark and print its leaderboard
	$(BIN)/mibench run quick

test: $(INSTALLED) ## lint, strict types and the fast tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-all: $(INSTALLED) ## the fast tests and the slow statistical ones
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m 'not benchmark'

# `python docs/refresh_tallies.py build/tallies.jsonl` puts them into docs/reliability.md
chaos: $(INSTALLED) ## kill, starve and lie to whole runs for half an hour, and leave the tallies in build/
	mkdir -p build && rm -f build/tallies.jsonl
	CHAOS_KILLS=$(CHAOS_KILLS) CHAOS_TALLIES=$(CURDIR)/build/tallies.jsonl $(BIN)/pytest -m 'slow or not slow' tests/chaos

bench: $(INSTALLED) ## time the estimators (pytest-benchmark)
	$(BIN)/pytest -m benchmark tests/benchmarks

# What tests/benchmarks/gpu.sh needs on a machine that has Python 3.12, torch, numpy, numba, scipy, pandas and scikit-learn.
LACKING := pydantic pydantic_core annotated-types typing-inspection typing_extensions zuko cloudpickle psutil jinja2 markupsafe \
  typer click shellingham annotated-doc rich pygments markdown-it-py mdurl \
  matplotlib pillow contourpy cycler kiwisolver pyparsing packaging python-dateutil six
# fonttools is five times as large where it is compiled
wheelhouse: $(INSTALLED) ## collect in wheelhouse/ what a GPU machine without a network lacks
	rm -rf wheelhouse build
	$(BIN)/python -m pip wheel --quiet --no-deps -w wheelhouse .
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
	  --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 -c constraints.txt -d wheelhouse $(LACKING)
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --platform any \
	  -c constraints.txt -d wheelhouse fonttools
	du -sh wheelhouse

ui: $(INSTALLED) ## open the MLflow dashboard over the local runs
	$(BIN)/mibench ui

docs: $(VENV)/.docs ## build the documentation to site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(VENV)/.docs: $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "mibench needs Python 3.11 or newer, and '$(PYTHON)' is not: try 'make PYTHON=python3.12 ...'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: run 'sudo apt install python3-venv' first." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing mibench and what it needs into $(VENV); the first time takes a few minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# torch keeps its pin, because each of its releases is gigabytes of CUDA libraries: edit it by hand to move it.
constraints: ## resolve pyproject.toml afresh and pin the outcome in constraints.txt
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)" -e '.[dev,docs,ray]'
	{ echo "# Versions of everything that 'pip install -c constraints.txt .[dev,docs,ray]' may install. Made by 'make constraints'."; \
	  $(VENV)-constraints/bin/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools --exclude wheel \
	  | sed 's/+cpu$$//' | grep -v -e '^nvidia-' -e '^cuda-' -e '^triton'; } > $(VENV)-constraints/constraints.txt
	mv $(VENV)-constraints/constraints.txt constraints.txt
	rm -rf $(VENV)-constraints

clean: ## remove .venv, builds and caches; results stay
	rm -rf $(VENV) build dist site wheelhouse *.egg-info .mypy_cache .ruff_cache .pytest_cache .benchmarks .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
