# Two commands for a fresh clone with only Python: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROWSER := tests/browser
KOTLIN := tests/kotlin/.compiler

.PHONY: demo test fast light lint setup assets pictures docs dist release-check clean

demo: setup
	$(BIN)/batikkit quickstart --out quickstart

test: setup $(VENV)-mediapipe/.installed $(VENV)-legacy/.installed light $(BROWSER)/node_modules/.installed $(KOTLIN)/.installed $(VENV)-demo/.installed lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What takes seconds: nothing that trains, converts or starts a browser.
fast: setup
	$(BIN)/python -m pytest -m 'not slow' tests/toolkit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[qat,lite0,heic]' --group dev
	touch $@

# MediaPipe pins an absl-py that the optimization toolkit refuses, and the last tflite-runtime needs NumPy 1 and
# Python 3.11 or older: each judge lives in an environment of its own. Tests skip, with the reason, where one is missing;
# with CI set, an environment that cannot be made ends the run.
MAY_FAIL := $(if $(CI),,-)
$(VENV)-mediapipe/.installed:
	$(MAY_FAIL)$(PYTHON) -m venv $(VENV)-mediapipe \
		&& $(VENV)-mediapipe/bin/python -m pip install --quiet mediapipe pillow && touch $@

$(VENV)-legacy/.installed:
	$(MAY_FAIL)$(PYTHON) -m venv $(VENV)-legacy \
		&& $(VENV)-legacy/bin/python -m pip install --quiet --editable '.[pi-legacy]' \
		&& $(VENV)-legacy/bin/python -c 'import tflite_runtime' && touch $@

# Gradio wants an older Pillow than the rest.
$(VENV)-demo/.installed: pyproject.toml
	$(MAY_FAIL)$(PYTHON) -m venv $(VENV)-demo \
		&& $(VENV)-demo/bin/python -m pip install --quiet --editable '.[demo]' && touch $@

# LiteRT.js and a driver for the Chromium that is installed, to judge the models in a browser.
$(BROWSER)/node_modules/.installed: $(BROWSER)/package-lock.json
	$(MAY_FAIL)npm ci --silent --prefix $(BROWSER) && touch $@

# A Kotlin compiler, which PyPI has inside a notebook kernel; it runs on Debian's default-jdk-headless.
$(KOTLIN)/.installed: $(STAMP)
	$(MAY_FAIL)$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(KOTLIN) kotlin-jupyter-kernel==0.19.0.944 && touch $@

# What a Raspberry Pi owner installs, as a wheel: tests measure it. The wheel is rebuilt every time, its dependencies not.
light: $(VENV)-pi/.installed
	$(VENV)-pi/bin/python -m pip install --quiet --force-reinstall --no-deps .

$(VENV)-pi/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-pi
	$(VENV)-pi/bin/python -m pip install --quiet '.[pi]'
	touch $@

# Makes android_demo_assets/ again from nothing, in ten minutes on two cores, and compares it with the one that is here.
# The bytes depend on this repository's training code, the versions of TensorFlow, NumPy and Pillow, on the
# processor and on its number of cores.
MADE := build/demo
assets: setup
	rm -rf $(MADE)
	$(BIN)/batikkit data synth $(MADE)/motifs --per-class 400 --size 96 --variety 0.06 --seed 0
	TF_DETERMINISTIC_OPS=1 $(BIN)/batikkit train $(MADE)/motifs --preset demo --seed 0 --weights none --runs-dir $(MADE)/runs
	mv $(MADE)/runs/* $(MADE)/runs/demo
	$(BIN)/batikkit export demo --runs-dir $(MADE)/runs --float16 --int8 --license Apache-2.0
	$(BIN)/batikkit assets demo --runs-dir $(MADE)/runs --out $(MADE)/android_demo_assets --no-web --again "$$AGAIN"
	diff -r $(MADE)/android_demo_assets android_demo_assets && echo "the same bytes as android_demo_assets/"

define AGAIN
`make assets` draws, trains, exports and writes this folder from nothing, and compares the result with it byte by byte.
Kernels are deterministic, seeds fixed, and there are no time stamps. The bytes still depend on the training code of this
repository, on the versions of TensorFlow, NumPy and Pillow, on the processor's instruction set and on its number of cores:
elsewhere the hashes differ while the figures stay close. Made on x86-64 with AVX-512, two cores.
endef
export AGAIN

# What README shows first; needs Chromium.
pictures: setup
	$(BIN)/python docs/pictures.py

# The wheel and the source archive, which a board or another computer installs from: docs/install.md.
RELEASE := $(VENV)-release
dist: $(RELEASE)/.installed
	rm -rf dist
	$(RELEASE)/bin/python -m build --outdir dist .

# Before a release: metadata as PyPI wants them, and each extra from the wheel alone, in a fresh environment, does its work.
EXTRAS ?= pi train qat lite0 demo
release-check: dist
	$(RELEASE)/bin/python -m twine check --strict dist/*
	$(RELEASE)/bin/python tests/release_check.py dist $(EXTRAS)

$(RELEASE)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(RELEASE)/bin/python -m pip install --quiet --group release
	touch $@

# The pages as a site, its links checked; only this needs MkDocs.
docs: $(VENV)-docs/.installed
	$(VENV)-docs/bin/python -m mkdocs build --strict --site-dir build/site

$(VENV)-docs/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV)-docs/bin/python -m pip install --quiet --group docs
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-mediapipe $(VENV)-legacy $(VENV)-pi $(VENV)-demo $(RELEASE) $(VENV)-docs dist $(BROWSER)/node_modules $(KOTLIN) quickstart build
