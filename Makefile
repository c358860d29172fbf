# Every target sets up what it needs: a .venv in this checkout with the pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installing does not compile 2 GB of packages, which takes a minute: what is imported is compiled then, and kept.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow check docs pictures experiments clean

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[dev,zoo]"
	touch $@

demo: $(VENV)/ready  ## trains the default network on drawn shapes and leaves pictures in outputs/
	$(BIN)/python -m seglight.train

test: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder  # two workers, a thread each

slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/ready  ## builds the site into site/; every broken link is an error
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

pictures: $(VENV)/ready  ## draws docs/ladder/*.png anew
	$(BIN)/python docs/ladder/draw.py

experiments: $(VENV)/ready  ## make experiments STUDY=skips [ARGS=seed=0]: trains the study's sweeps and compares them
	$(BIN)/python experiments/study.py $(STUDY) $(ARGS)

clean:
	rm -rf $(VENV) outputs multirun site
