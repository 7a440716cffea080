# Everything runs in a virtual environment of the project's own; Python 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install quickstart test quick docs fuzz bench bench-bars lint types format clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

quickstart: $(INSTALLED) ## pictures of which the truth is known, segmented, scored and shown
	$(BIN)/beam-deeplab quickstart

test: lint types ## everything: lint, types, unit, property, pipeline tests
	$(BIN)/pytest --numprocesses=2 --dist=worksteal

quick: $(INSTALLED) ## the tests that take seconds
	$(BIN)/pytest -m 'not slow'

docs: $(INSTALLED) ## the pages and the reference of every module, in build/docs; a warning fails
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs

fuzz: $(INSTALLED) ## a longer campaign against the decoder than the suite's 600 cases
	DECODER_FUZZ_CASES=$${DECODER_FUZZ_CASES:-20000} $(BIN)/pytest tests/test_fuzz_decoding.py

bench: $(INSTALLED) ## every benchmark beside its peers; needs DEEPLAB_SHARED
	$(BIN)/python -m benchmarks

bench-bars: $(INSTALLED) ## just the ratios that the project promises, in a quarter of an hour
	$(BIN)/python -m benchmarks --bars

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info
