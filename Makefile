# Everything a newcomer needs: make demo, make test, make extension.
# make demo PHOTOS=folder reconstructs your own five photos.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BLENDER ?= blender
PHOTOS ?= examples/sample/photos
OUT ?= out/demo

.PHONY: demo test lint extension environment clean

environment: $(VENV)/.standard

$(VENV)/.standard: backend/pyproject.toml backend/requirements/standard-linux.txt
	$(PYTHON) examples/environment.py $(VENV) --profile standard

$(VENV)/.development: $(VENV)/.standard backend/requirements/dev.txt
	$(PYTHON) examples/environment.py $(VENV) --profile development

demo: $(VENV)/.standard
	$(BIN)/python examples/demo.py "$(PHOTOS)" --output "$(OUT)" --blender "$(BLENDER)"

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

test: $(VENV)/.development lint
	$(PYTHON) examples/environment.py .venv-bpy --profile bpy
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

extension:
	$(PYTHON) examples/build_extension.py --output dist --blender "$(BLENDER)"

clean:
	rm -rf out dist build
