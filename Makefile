# Every target sets up what it needs; the stamp file makes the second call quick.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
E2E    := $(VENV)/.chromium

.PHONY: run dev test check e2e bench format messages clean
.DELETE_ON_ERROR:

run: $(STAMP)  ## The studio on http://127.0.0.1:8501
	$(BIN)/streamlit run studio/app.py

dev: $(STAMP)  ## The same, reloading when a file changes
	$(BIN)/streamlit run studio/app.py --server.fileWatcherType auto --server.runOnSave true --client.showErrorDetails full

test: $(STAMP)  ## Unit and page tests
	$(BIN)/pytest -n 2

check: $(STAMP)  ## Format, lint, boundaries, types: silent unless something fails
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary core studio pages tests

format: $(STAMP)
	$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

messages: $(STAMP)  ## Bring the translation catalogues up to date with the source
	$(BIN)/python -m studio.messages

e2e: $(STAMP) $(E2E)  ## Journeys in Chromium against the really started app
	$(BIN)/pytest tests/e2e --timeout=900

bench: $(STAMP)  ## Speed and scores; prints a table
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,recommendation]'
	touch $@

# Playwright drives Debian's Chromium; where another one is installed, CHROMIUM=/path names it.
$(E2E): $(STAMP)
	test -x "$${CHROMIUM:-/usr/bin/chromium}" || (apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk)
	touch $@
