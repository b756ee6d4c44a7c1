# `make demo` does the main job on drawn flowers, with the light install; `make test-fast` runs the quick tests, `make test` all of them;
# `make check` runs the checks; `make wheel` tries the package outside the repository; `make bench` measures; `make torture` uses force.
# Each sets up what it needs in .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SAMPLES := tf_files/flowers
FLOWERS := tf_files/flower_photos
GRAPH := tf_files/retrained.tflite
LIGHT := .venv-light/bin/python
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-fast bench torture check wheel docs pictures flowers light clean

demo: .venv/installed
	@echo "--- drawing pictures to try the tool on"
	$(BIN)/python -m retrain.samples --out $(SAMPLES)
	@echo "--- retraining"
	$(BIN)/python -m retrain --image_dir $(SAMPLES) --eval_step_interval 500
	@echo "--- labelling two pictures"
	$(BIN)/python -m label_image --image $(SAMPLES)/daisy/daisy_001.jpg
	$(BIN)/python -m label_image --image $(SAMPLES)/roses/roses_001.jpg
	@echo
	@echo "the pictures are in $(SAMPLES), everything that was made is in tf_files"
	@echo "your own photos: $(BIN)/python -m retrain --image_dir YOUR_FOLDER (one sub-folder for each class)"

test: .venv/installed-test
	$(PYTEST)

# Two minutes on two cores: without whole runs, browsers and what else takes seconds.
test-fast: .venv/installed-test
	$(PYTEST) -m "not slow"

bench: .venv/installed-test
	$(BIN)/python -m benchmarks

# Kills, damage, full disks. Some 15 minutes on two cores; root, to mount small disks.
torture: .venv/installed-test
	$(BIN)/python -m benchmarks.torture --out docs/reliability.md

check: .venv/installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/docs.py --check
	$(BIN)/python -m pytest -n 0 tests/test_imports.py

# With another Python: make wheel PYTHON=python3.10
wheel: .venv/installed-test
	$(BIN)/python tools/wheel.py --python $(PYTHON)

docs: .venv/installed
	$(BIN)/python tools/docs.py

pictures: .venv/installed-test
	$(BIN)/python tools/pictures.py --photos $(FLOWERS)

flowers: .venv/installed
	$(BIN)/python -m retrain.flower_photos --out $(FLOWERS)

light: .venv-light/installed
	@du -sh .venv-light
	@test -f $(GRAPH) || { echo "make: no $(GRAPH) to label with: make demo, or name another: make light GRAPH=..." >&2; exit 2; }
	@echo "--- labelling a picture without TensorFlow"
	@test -f $(SAMPLES)/daisy/daisy_001.jpg || $(LIGHT) -m retrain.samples --out $(SAMPLES)
	$(LIGHT) -m label_image --graph $(GRAPH) --image $(SAMPLES)/daisy/daisy_001.jpg

clean:
	rm -rf .venv .venv-light build *.egg-info

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' || \
	    { echo "make: $$($(PYTHON) --version) is not one of Python 3.10 to 3.14; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	touch $@

.venv-light/installed: retrain/exporters/light.txt
	@echo "--- installing the light set into .venv-light"
	$(PYTHON) -m venv .venv-light
	$(LIGHT) -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

.venv/installed: .venv/python setup.cfg pyproject.toml
	@echo "--- installing into .venv (some 400 MB)"
	$(PIP) --editable .
	touch $@

.venv/installed-test: .venv/installed
	@echo "--- installing TensorFlow and all that the tests use into .venv (some 3 GB)"
	$(PIP) --editable '.[test]'
	touch $@

.venv/installed-check: .venv/installed-test
	$(PIP) --editable '.[check]'
	touch $@
