# make demo    set everything up and reconstruct 5 batches of 20 faces
# make test    set everything up and run the tests
# make check   lint, format, types
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell sha256sum requirements.lock | cut -c1-16)

IS_LINKED := import sys, importlib.util as u; from importlib.metadata import entry_points as e; \
	s = u.find_spec("experiments"); \
	sys.exit(not (s and s.origin == "$(CURDIR)/experiments/__init__.py" and e(name="spear")))

.PHONY: install demo test test-slow check format benchmark lock clean
.DEFAULT_GOAL := demo

demo: install
	$(BIN)/spear

test: install
	$(BIN)/pytest -m "not slow"

test-slow: install
	$(BIN)/pytest -m slow

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install
	$(BIN)/python -m benchmarks.samplers
	$(BIN)/python -m benchmarks.large_layers

# One environment from the lock, made anew when the lock changes; the checkout is linked into it.
$(STAMP):
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("spear needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	touch $@

install: $(STAMP)
	@$(BIN)/python -I -c '$(IS_LINKED)' \
		|| $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .

lock:
	uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
