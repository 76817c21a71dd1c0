# make run          the window on the sample slide (without a display: the same job headless)
# make test         everything that must hold: style, types, layering, tests
# make screenshots  the pictures of README.md, taken from the real window
# make test-cellpose4  the engine's tests with Cellpose 4 in place of 3, in an environment of its own
#
# Variables: PYTHON (3.11 or 3.12), VENV, TORCH_PIN (what is installed as PyTorch before the rest;
# the plain default from the package index; give an index of CPU builds with PIP_EXTRA_INDEX_URL).

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
VENV4 := $(VENV)-cellpose4
TORCH_PIN ?= torch==2.13.0
SAMPLE := assets/samples/CMU-1-Small-Region.svs
OUT := out

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input -q
HEADLESS = [ "$$(uname -s)" = Linux ] && [ -z "$$DISPLAY" ] && [ -z "$$WAYLAND_DISPLAY" ]

.DEFAULT_GOAL := help
.PHONY: help run test test-cellpose4 screenshots clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(VENV)/.installed
	@if $(HEADLESS); then \
	  echo "No display here (neither DISPLAY nor WAYLAND_DISPLAY is set): doing the same job without a window."; \
	  mkdir -p $(OUT) && \
	  $(PY) -m studio segment $(SAMPLE) -o $(OUT)/CMU-1-Small-Region-masks.zip --model builtin --overwrite \
	    --picture $(OUT)/CMU-1-Small-Region.png; \
	else \
	  .ci/system-packages window; \
	  $(PY) -m studio --cellpose $(SAMPLE); \
	fi

test: $(VENV)/.installed-test
	@.ci/system-packages test
	@echo "ruff";         $(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@echo "mypy";         $(BIN)/mypy --no-error-summary
	@echo "lint-imports"; $(BIN)/lint-imports --no-logo >$(VENV)/.lint-imports.log 2>&1 || { cat $(VENV)/.lint-imports.log; exit 1; }
	@echo "pytest";       $(PY) -m pytest $(PYTEST_ARGS)

screenshots: $(VENV)/.installed-test
	@.ci/system-packages test
	$(PY) tests/e2e/screenshots.py assets/screenshots

test-cellpose4: $(VENV4)/.installed
	$(VENV4)/bin/python -m pytest $(addprefix tests/,cellseg/test_models.py cellseg/test_networks.py \
	  cellseg/test_choice.py cellseg/test_tasks.py cli/test_segment.py cli/test_bench.py)

# Cellpose 4 asks for a torchvision that is a CUDA build on most indexes; nothing here needs it.
$(VENV4)/.installed: pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or 3.12 is needed and none was found on the PATH." >&2; exit 1; }
	@[ -x $(VENV4)/bin/python ] || $(PYTHON) -m venv $(VENV4)
	@echo "Installing Cellpose 4 into $(VENV4) (some minutes the first time)"
	@$(VENV4)/bin/python -m pip --disable-pip-version-check --no-input -q install "$(TORCH_PIN)"
	@$(VENV4)/bin/python -m pip --disable-pip-version-check --no-input -q install -e ".[openvino,test]"
	@$(VENV4)/bin/python -m pip --disable-pip-version-check --no-input -q install --no-deps "cellpose>=4,<5" segment_anything
	@touch $@

# The stamps make both targets idempotent: nothing is installed again until pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or 3.12 is needed and none was found on the PATH." >&2; \
	  echo "Install it, or name one: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) can't make a virtual environment. On Debian or Ubuntu install python3-venv as root." >&2; exit 1; }
	@echo "Installing into $(VENV) (some minutes the first time)"
	@$(PIP) install --upgrade pip
	@$(PIP) install "$(TORCH_PIN)"
	@$(PIP) install -e ".[openvino]"
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed pyproject.toml
	@echo "Installing what the tests need"
	@$(PIP) install -e ".[openvino,test]"
	@touch $@

clean:
	rm -rf $(VENV) $(VENV4) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
