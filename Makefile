# The two commands of the README, each in an environment of its own making (.venv), and a few for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: search test test-slow test-toolchains check proto pages clean

search: $(VENV)/.demo
	$(BIN)/dongfeng search --data glyphs --engine onnxruntime --trials 24 --out runs/glyphs

# A process a core, each with one thread; no more than four, since each holds torch.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

test: $(VENV)/.test
	$(PYTEST)

test-slow: $(VENV)/.test
	$(PYTEST) -m slow

# What targets say against the tools themselves, those that variables name (docs/engines.md): by hand, one after another.
test-toolchains: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m toolchains tests/toolchains -rs

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --follow-imports=silent --cache-dir=.mypy_cache/proto prototxt_gen/proto.py
	$(BIN)/lint-imports
	$(BIN)/python tools/compile_proto.py --check

# After a change of caffe.proto or of the functions of proto.py.
proto: $(VENV)/.dev
	$(BIN)/python tools/compile_proto.py

# After a change of a card, of the table of layers, or of what targets take; about a minute.
pages: $(VENV)/.dev
	$(BIN)/python tools/layers_page.py
	$(BIN)/python tools/zoo_page.py
	$(BIN)/python tools/targets_page.py
	$(BIN)/python tools/manifest.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

# One rule for the three sets of extras; each stamp is made anew when what it installs may have changed.
$(VENV)/.demo $(VENV)/.test $(VENV)/.dev: $(VENV)/.%: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@
