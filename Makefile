# make demo   set-up, then watch egbot write six functions of a sample repository
# make test   set-up, then all tests (what is missing here is skipped, with the reason)
# make check  format, lint, types, imports
# make screenshots  pictures of the report pages at three widths, light and dark (needs Chromium)

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check format screenshots setup clean

setup: $(READY)

# torch comes first and alone, so that the pinned build is the one that everything else accepts
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("egbot needs Python 3.11 or newer; run: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable ".[engine,github]" --group dev
	touch $(READY)

demo: $(READY)
	$(BIN)/egbot models pull smollm2
	$(BIN)/egbot demo

# the attacks run alone: a fork bomb is felt by other sandboxes of the same user; the last line but
# one counts what both runs skipped
test: export EGBOT_SKIPPED = .venv/.skipped
test: $(READY)
	$(BIN)/egbot models pull smollm2
	rm -f .venv/.skipped
	$(BIN)/python -m pytest -n auto --dist loadfile --ignore tests/e2e/test_attacks.py
	$(BIN)/python -m pytest tests/e2e/test_attacks.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshots: $(READY)
	$(BIN)/python -m tests.report.screenshots egbot-out/screenshots

clean:
	rm -rf .venv egbot-out dist .mypy_cache .ruff_cache .pytest_cache
