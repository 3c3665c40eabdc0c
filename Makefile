# Two commands for a fresh clone with only Python: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test light lint setup clean

demo: setup
	$(BIN)/batikkit quickstart --out quickstart

test: setup $(VENV)-mediapipe/.installed $(VENV)-legacy/.installed light lint
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

# What a Raspberry Pi owner installs, as a wheel: tests measure it. The wheel is rebuilt every time, its dependencies not.
light: $(VENV)-pi/.installed
	$(VENV)-pi/bin/python -m pip install --quiet --force-reinstall --no-deps .

$(VENV)-pi/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-pi
	$(VENV)-pi/bin/python -m pip install --quiet '.[pi]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-mediapipe $(VENV)-legacy $(VENV)-pi quickstart
