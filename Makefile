# The verbs of daily work.  A bare `make` lists them.
#
#   make test PYTHON=/path/to/python3.13   another interpreter, in a virtual environment of its own
#   make test ARGS='-k queue -x'           more arguments for pytest (bench, demo, ... take them too)
#
# Nothing outside this folder is touched.  A virtual environment holds the package as
# users get it: built and installed, not linked to the tree.  Stamp files in it say what
# has been installed; a changed source file makes the package be built and installed anew.

PYTHON ?= python3
ARGS ?=
# Whether a warning fails the build of the package; the core's own builds always fail then.
WERROR ?= false

# Tests must see the installed package, whatever the caller's shell points at.
unexport PYTHONPATH PYTHONHOME

BASE_PYTHON := $(shell $(PYTHON) -c 'import sys; print(sys.executable)' 2>/dev/null)
TAG := $(shell $(PYTHON) -c 'import sys; print(sys.implementation.cache_tag)' 2>/dev/null)
VENV ?= $(if $(filter file,$(origin PYTHON)),.venv,.venv-$(TAG))
BUILD ?= build

BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MESON := $(BIN)/meson
# One build in a folder at a time, where the system can say so.
LOCKED := $(if $(shell command -v flock),flock $(BUILD)/.lock)

VENV_MADE := $(VENV)/.made-by-$(TAG)
INSTALLED := $(VENV)/.installed
# What a command says goes into a file, and is shown when it fails.
or_show = >$(1) 2>&1 || { cat $(1); exit 1; }
SOURCES := pyproject.toml meson.build meson.options README.md LICENSE tools/package_files.py \
  $(shell find src core binding -type f ! -name '.*' ! -name '*.so' ! -name '*.pyc')
MANIFEST := $(VENV)/.sources

.PHONY: help demo test test-portable chaos examples conformance clients run-clients bench bench-all bench-report
.PHONY: develop core-test sanitize lint layers docs-check format types dist clean FORCE
.DELETE_ON_ERROR:

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- for everybody ---------------------------------------------------------------------

demo: $(INSTALLED) ## build and install procession in a virtual environment and show it at work
	@$(BIN)/python -m procession demo $(ARGS)

test: core-test $(INSTALLED) $(VENV)/.group-test ## the same, and run the tests (core first, then Python)
	@$(BIN)/python -m pytest $(ARGS)

test-portable: $(INSTALLED) $(VENV)/.group-test ## run the Python tests on the pure-Python transport
	@PROCESSION_TRANSPORT=portable $(BIN)/python -m pytest $(ARGS)

chaos: $(INSTALLED) $(VENV)/.group-test ## kill workers by the thousand and account for every task
	@$(BIN)/python -m tests.chaos $(ARGS)

examples: $(INSTALLED) $(VENV)/.group-test ## run every example program under every start method
	@$(BIN)/python -m pytest tests/examples $(ARGS)

conformance: $(INSTALLED) ## run CPython's own tests of multiprocessing against procession
	@$(BIN)/python -m tests.conformance $(ARGS)

clients: ## run programs of PyTorch, joblib, SciPy, ... on procession, in an environment of their own
	@$(MAKE) --no-print-directory PYTHON='$(BASE_PYTHON)' VENV=$(VENV)-clients run-clients

run-clients: $(INSTALLED) $(VENV)/.group-test $(VENV)/.clients
	@$(BIN)/python -m pytest tests/clients $(ARGS)

bench: $(INSTALLED) $(VENV)/.group-test $(VENV)/.peers ## measure against multiprocessing and others, in under five minutes
	@$(BIN)/python -m bench $(ARGS)

bench-all: $(INSTALLED) $(VENV)/.group-test $(VENV)/.peers-all ## measure everything, with every rival and longer: some hours
	@$(BIN)/python -m bench --all $(ARGS)

bench-report: $(VENV_MADE) ## make the README's table, docs/benchmarks.md and its pictures from bench/results
	@$(BIN)/python -m bench.report $(ARGS)

# A rival that cannot be installed is left out of the comparison, no reason to stop.
$(VENV)/.peers $(VENV)/.peers-all: $(VENV)/.%: bench/%.txt $(VENV_MADE)
	@echo 'installing rivals ($*)'
	@sed -n 's/^\([A-Za-z].*\)/\1/p' $< bench/peers.txt | sort -u | while read -r rival; do \
	  $(PIP) install "$$rival" 2>/dev/null || echo "left out: $$rival cannot be installed"; done
	@touch $@

# The same for clients; all at once is quicker, and one at a time tells which one it is.
$(VENV)/.clients: tests/clients/requirements.txt $(VENV_MADE)
	@echo 'installing clients'
	@$(PIP) install --requirement $< 2>/dev/null || \
	  sed -n 's/^\([A-Za-z][^#]*\).*/\1/p' $< | while read -r client; do \
	    $(PIP) install "$$client" 2>/dev/null || echo "left out: $$client cannot be installed"; done
	@touch $@

# ---- for developers --------------------------------------------------------------------

DEVELOP := $(BUILD)/develop-$(TAG)

develop: $(VENV)/.group-build $(VENV)/.group-test ## put the extension into src/, so that PYTHONPATH=src works (PYTHON=...)
	@mkdir -p $(DEVELOP)
	@printf "[binaries]\npython = '%s'\n" '$(BIN)/python' >$(DEVELOP)/python.ini
	@test -f $(DEVELOP)/build.ninja || $(LOCKED) $(MESON) setup $(DEVELOP) \
	  --native-file $(DEVELOP)/python.ini -Doptimization=3 $(call or_show,$(DEVELOP)/setup.log)
	@$(LOCKED) $(MESON) compile -C $(DEVELOP) $(call or_show,$(DEVELOP)/compile.log)
	@# Renamed over the old one, never written into it: it may be mapped by a running process.
	@for module in $(DEVELOP)/binding/_native.*.so; do \
	  place=src/procession/$$(basename $$module); \
	  cp $$module $$place.$$$$ && mv -f $$place.$$$$ $$place && echo "$$place"; \
	done

core-test: $(VENV)/.group-build ## build the C core alone and run its tests
	@$(call core_tests,$(BUILD)/core,)

# Forked children of threaded tests are the core's daily life, hence die_after_fork=0.
# Without address randomisation, since its range in recent kernels is too wide for older TSan.
sanitize: $(VENV)/.group-build ## the core's tests under ASan and UBSan, then under TSan
	@ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  $(call core_tests,$(BUILD)/core-asan,-Db_sanitize=address$(COMMA)undefined -Db_lundef=false)
	@TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:second_deadlock_stack=1 \
	  $(call core_tests,$(BUILD)/core-tsan,-Db_sanitize=thread -Db_lundef=false -Dc_args=-Wno-tsan,--wrapper="setarch -R")

COMMA := ,
# $(call core_tests,build folder,options of the build,options of the run)
define core_tests
sh -e -c 'mkdir -p $(1); \
  test -f $(1)/build.ninja || \
    $(LOCKED) $(MESON) setup $(1) -Dcore_only=true $(2) $(call or_show,$(1)/setup.log); \
  $(LOCKED) $(MESON) compile -C $(1) $(call or_show,$(1)/compile.log); \
  $(MESON) test -C $(1) --no-rebuild --print-errorlogs $(3)'
endef

lint: $(VENV)/.group-lint layers ## ruff, import layers, and our own checks of the C sources
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python tools/check_python.py
	@$(BIN)/python tools/check_c.py

layers: $(VENV)/.group-lint
	@PYTHONPATH=src $(BIN)/lint-imports --no-cache

docs-check: $(VENV_MADE) ## links, Python examples and verbs in the documents
	@$(BIN)/python tools/check_docs.py

format: $(VENV)/.group-lint ## let ruff format the Python sources and repair what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(VENV)/.group-types ## mypy --strict on the package
	@$(BIN)/mypy

dist: $(VENV)/.group-dist ## build the source archive and the wheel into dist/
	@$(BIN)/python -m build

clean: ## remove everything that was built, and the virtual environments
	rm -rf $(BUILD) dist .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f src/procession/_native.*.so
	find src tests tools bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the virtual environment -----------------------------------------------------------

$(VENV_MADE):
	@test -n '$(BASE_PYTHON)' || { echo "'$(PYTHON)' does not run; give another: make PYTHON=python3.12" >&2; exit 1; }
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "'$(BASE_PYTHON)' is older than Python 3.10; give another: make PYTHON=python3.12" >&2; exit 1; }
	@echo 'making $(VENV) with $(BASE_PYTHON)'
	@$(BASE_PYTHON) -m venv --clear $(VENV)
	@$(PIP) install 'pip>=25.1' # the first that reads dependency groups
	@touch $@

# Each group of [dependency-groups] in pyproject.toml, when somebody needs it.
$(VENV)/.group-%: pyproject.toml $(VENV_MADE)
	@echo 'installing what $* needs'
	@$(PIP) install --group $*
	@touch $@

$(INSTALLED): $(SOURCES) $(MANIFEST) $(VENV)/.group-build
	@echo 'building and installing procession'
	@$(PIP) install --no-build-isolation \
	  --config-settings=build-dir=$(abspath $(VENV))/build \
	  --config-settings=setup-args=-Dwerror=$(WERROR) .
	@touch $@

# Changes when a file is added or removed, which time stamps alone do not tell.
$(MANIFEST): FORCE $(VENV_MADE)
	@printf '%s\n' $(sort $(SOURCES)) | cmp -s - $@ || printf '%s\n' $(sort $(SOURCES)) >$@
