# Vixen Pipeline. `make help` explains every target.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INFERENCE_VENV ?= .venv-inference
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH ?=
JOBS ?= 2

# The project is installed editable and without its dependencies: those come from the lock, by hash.
# Compiled once here: half of what a short process costs is importing, also where the environment
# forbids Python to write bytecode.
define install
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  f"Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is {v[0]}.{v[1]}. Next step: make PYTHON=python3.11 $@")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "The venv could not be made. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing $(1) into $(VENV) (about a minute the first time)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q vixen_pipeline assets resources sensors
endef

.PHONY: help
help:  ## Explain the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.runtime

.PHONY: setup
setup: $(VENV)/.runtime  ## Make .venv with everything that running needs

.PHONY: setup-dev
setup-dev: $(VENV)/.dev  ## Make .venv with everything that developing needs

.PHONY: demo
demo: $(VENV)/.runtime  ## Set up and run the whole main job on sandbox providers; DEMO_ARGS="--exit" ends when done
	@$(BIN)/vixen demo $(DEMO_ARGS)

.PHONY: up
up: $(VENV)/.runtime  ## Start everything (database, sandbox, gateway, Dagster) and keep it running
	@$(BIN)/vixen up

.PHONY: test
test: $(VENV)/.dev  ## Set up and run all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TEST_ARGS)

.PHONY: test-fast
test-fast: $(VENV)/.dev  ## Run the tests that take less than ten seconds each
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not long and not browser" $(TEST_ARGS)

# torch of the default index for Linux on x86_64 carries 3 GB of CUDA: where an index or folder known
# to pip offers its CPU build, that is taken; both locks hold hashes and otherwise the same versions.
$(INFERENCE_VENV)/.installed: requirements-inference.lock requirements-inference-cpu.lock
	@$(PYTHON) -m venv $(INFERENCE_VENV)
	@echo "Installing the inference endpoint's packages into $(INFERENCE_VENV) (1.3 GB)…"
	@$(INFERENCE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r requirements-inference-cpu.lock 2>$(INFERENCE_VENV)/cpu.log || { \
	  tail -n 1 $(INFERENCE_VENV)/cpu.log; \
	  echo "No CPU build of torch for this machine here: taking the default one (large)…"; \
	  $(INFERENCE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --require-hashes -r requirements-inference.lock; }
	@touch $@

.PHONY: test-inference
test-inference: $(INFERENCE_VENV)/.installed  ## Set up and test the inference endpoint on a tiny SDXL (own venv)
	@$(INFERENCE_VENV)/bin/python -m pytest tests_inference $(TEST_ARGS)

.PHONY: check
check: $(VENV)/.dev  ## Check format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/basedpyright

.PHONY: format
format: $(VENV)/.dev  ## Format the code and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.dev  ## Run the benchmarks; BENCH=name runs one
	@$(BIN)/python -m benchmarks $(BENCH)

.PHONY: lock
lock: $(VENV)/.dev  ## Pin exact versions with hashes (no index addresses) into the lock files
	@$(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --quiet -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --quiet -c requirements.lock -o requirements-dev.lock

.PHONY: lock-inference
lock-inference: $(VENV)/.dev  ## Pin the inference endpoint's packages; UV_FIND_LINKS must offer torch's CPU build
	@$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  print("\n".join([*p["project"]["optional-dependencies"]["inference"], \
	  *p["dependency-groups"]["inference-tests"]]))' > $(VENV)/inference.in
	@$(BIN)/uv pip compile $(VENV)/inference.in --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --quiet -o requirements-inference.lock
	@torch="$$(sed -n 's/^\(torch==[0-9.]*\).*/\1+cpu/p' requirements-inference.lock)"; \
	  echo "$$torch" > $(VENV)/inference-cpu.in
	@$(BIN)/uv pip compile $(VENV)/inference.in $(VENV)/inference-cpu.in \
	  --python-platform x86_64-manylinux_2_28 --python-version 3.11 -c requirements-inference.lock \
	  --generate-hashes --no-header --no-annotate --quiet -o requirements-inference-cpu.lock

.PHONY: browser
browser:  ## Install Chromium for the browser tests (Debian or Ubuntu, as root)
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then \
	  echo "A Chromium is here already."; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
	  echo "No Chromium found. The browser tests will be skipped. To run them: sudo apt-get install chromium"; \
	fi

.PHONY: clean
clean:  ## Remove what this folder's instance wrote (.vixen) and the caches; the .venv stays
	@if [ -x $(BIN)/vixen ] && [ -d .vixen ]; then $(BIN)/vixen db stop; fi
	@rm -rf .vixen .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
