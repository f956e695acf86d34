# The commands of this repository; `make` alone lists them. What is missing is installed into .venv-* first.

MAKEFLAGS += --no-print-directory
PYPY = .venv-pypy/bin/python
CPYTHON = .venv-cpython/bin/python
ARGS =

.PHONY: help run test test-pypy test-cpython bench check format clean
.NOTPARALLEL:

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: ## Start the venue on this machine; Ctrl-C stops it
	@tools/bootstrap.sh cpython core venue
	@tools/bootstrap.sh pypy core || echo "WARNING: no PyPy; CPython runs the core, at a fraction of the speed." >&2
	@exec $(CPYTHON) -m tools up $(ARGS)

test: ## Run the whole suite under PyPy and under CPython (ARGS="-k book" for a part)
	@$(MAKE) --keep-going test-pypy test-cpython

test-pypy: ## Run under PyPy what runs there: all but the gateway's and persistence's
	@tools/bootstrap.sh pypy core test
	@$(PYPY) -m pytest $(ARGS)

test-cpython: ## Run the whole suite under CPython
	@tools/bootstrap.sh cpython core venue test test-venue
	@$(CPYTHON) -m pytest $(ARGS)

bench: ## Measure all there is to measure and write it to perf/results (ARGS=--quick for a trial run)
	@tools/bootstrap.sh pypy core bench
	@tools/bootstrap.sh cpython core venue bench
	@$(PYPY) -m perf.run --pypy $(PYPY) --cpython $(CPYTHON) $(ARGS)

check: ## Lint, format, types, and the architecture test
	@tools/bootstrap.sh cpython core venue test test-venue check
	@$(CPYTHON) -m ruff check .
	@$(CPYTHON) -m ruff format --check .
	@$(CPYTHON) -m mypy
	@$(CPYTHON) -m mypy --python-version 3.11 gateway persistence
	@$(CPYTHON) -m pytest -q tests/test_architecture.py

format: ## Bring the code into the form that check wants
	@tools/bootstrap.sh cpython core venue test test-venue check
	@$(CPYTHON) -m ruff check --fix --exit-zero --quiet .
	@$(CPYTHON) -m ruff format .

clean: ## Remove what these commands made, other than run/: it holds journals
	@rm -rf .venv-pypy .venv-cpython .hypothesis .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	@find . -name __pycache__ -prune -exec rm -rf {} +
