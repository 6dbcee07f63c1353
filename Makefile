# The same few targets for people and for the checks. DEMO=0: `make run` without the demonstration call;
# LCALL_DEMO=none: a new center without the demo world.

PYTHON := .venv/bin/python
WORKERS ?= 3
PYTEST := $(PYTHON) -m pytest -n $(WORKERS)

.PHONY: run install install-test lock check test test-all bench clean

run: install
	@exec ./lcall up --while $$PPID

install:
	@ops/install.sh run

install-test:
	@ops/install.sh test

# requirements.lock anew from pyproject.toml: the whole closure, pinned. What it holds already stays as it is; remove a
# line, or the file, to have it newer.
lock: install
	$(PYTHON) -m piptools compile --quiet --all-extras --strip-extras --allow-unsafe --no-header \
	    --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

# Format, lint, types, the direction of imports, that every test module can be read. No service is started.
check: install-test
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()" --no-cache --no-logo
	@read=$$($(PYTHON) -m pytest --collect-only -qqq tests 2>&1) || { echo "$$read" | tail -n 30; exit 1; }

test: install-test
	@$(PYTEST) -m "not slow" tests; $(call closing_line,$@)

test-all: install-test check
	@end=0; $(PYTEST) -m "not alone" tests || end=$$?; $(PYTHON) -m pytest -m alone tests || end=$$?; \
	    (exit $$end); $(call closing_line,$@)

# Each prints its figures beside a floor measured in the same run.
bench: install-test
	@for bench in tests/bench/[a-z]*.py; do \
	    name=$$(basename $$bench .py); echo "== $$name"; $(PYTHON) -m tests.bench.$$name || exit 1; done

clean:
	rm -rf build artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

closing_line = status=$$?; case $$status in \
    0) echo "make $(1): green" ;; \
    1) echo "make $(1): RED, tests failed; logs and traces of their centers are in artifacts/" ;; \
    2) echo "make $(1): interrupted" ;; \
    5) echo "make $(1): RED, not one test was found" ;; \
    *) echo "make $(1): RED, pytest ended with $$status" ;; \
    esac; exit $$status
