# make setup | demo | page-runtime | check | test | full | docs | docs-test | gpu-wheels | gpu. Everything happens in this folder.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE :=   # tests start many processes: where it is set, each would compile every module again

.PHONY: setup demo page-runtime check test full style types quick suite docs docs-test gpu-wheels gpu
setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

demo: setup
	$(BIN)/python -m tasks.segment

# What the page of export.page=true runs on, for its tests: node_modules/, which git ignores.
page-runtime: node_modules/onnxruntime-web/package.json

node_modules/onnxruntime-web/package.json:
	npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error --fetch-retries=0 --prefix . onnxruntime-web@1.30.0

# The quick one: style, types, and tests of each room that train nothing.
QUICK := tests/test_rooms.py tests/test_mutants.py tests/heads tests/backbones/test_mobilenets.py tests/tasks/config/test_rules.py \
	tests/tasks/app/test_foreign_keys.py tests/tasks/common/test_origin.py tests/tasks/config/test_amounts.py \
	tests/tasks/engine/test_optimizers.py tests/tasks/engine/test_schedules.py tests/tasks/engine/test_loss_weights.py tests/tasks/data/transforms/test_resize.py \
	tests/tasks/data/transforms/test_letterbox.py tests/tasks/data/files/test_polygons.py tests/tasks/detect/test_curves.py \
	tests/tasks/detect/test_multibox.py tests/tasks/segment/test_miou.py tests/tasks/classify/test_accuracy.py \
	tests/tasks/checkpoint/test_manifest.py tests/tasks/search/test_space.py tests/tasks/multitask/test_arguments.py

style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

quick:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(QUICK)

suite:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

check: setup style
	$(MAKE) --no-print-directory --jobs 2 types quick

test: setup style
	$(MAKE) --no-print-directory --jobs 2 types suite

# And what tests/slow.txt lists: the same promises for further tasks, runtimes and moments.
full: test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m slow

# The site, in build/site: strict, and without a network once its packages are there.
docs: .venv/docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

.venv/docs-installed: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

# Every command of README and docs/ on small data, those that `make test` leaves out included; a few minutes.
docs-test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "docs or not docs" tests/docs

# On a machine with a GPU: its tests and benchmarks.gpu. `make gpu-wheels` before, elsewhere, if it has no network; it runs
# with any python3 that has torch: make gpu GPU_PYTHON=.venv/bin/python.
GPU_PYTHON ?= python3
gpu-wheels:
	PYTHON=$(PYTHON) bash tests/gpu/fetch.sh

gpu:
	PYTHON=$(GPU_PYTHON) bash tests/gpu/run.sh
