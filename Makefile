# Two commands for a fresh clone with only Python: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint setup clean

demo: setup
	$(BIN)/batikkit quickstart --out quickstart

test: setup $(VENV)-mediapipe/.installed $(VENV)-legacy/.installed lint
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[qat]' --group dev
	touch $@

# MediaPipe pins an absl-py that the optimization toolkit refuses, and the last tflite-runtime needs NumPy 1 and
# Python 3.11 or older: each judge lives in an environment of its own. Tests skip, with the reason, where one is missing.
$(VENV)-mediapipe/.installed:
	-$(PYTHON) -m venv $(VENV)-mediapipe \
		&& $(VENV)-mediapipe/bin/python -m pip install --quiet mediapipe pillow && touch $@

$(VENV)-legacy/.installed:
	-$(PYTHON) -m venv $(VENV)-legacy \
		&& $(VENV)-legacy/bin/python -m pip install --quiet --editable '.[pi-legacy]' \
		&& $(VENV)-legacy/bin/python -c 'import tflite_runtime' && touch $@

clean:
	rm -rf $(VENV) $(VENV)-mediapipe $(VENV)-legacy quickstart
