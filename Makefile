# Everything a developer or a pipeline needs. `make` alone lists the targets.
# Wanted on the machine: Python >= 3.11 with venv, make, a C compiler. All else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

say = @printf '\n\033[1m── %s\033[0m\n' "$(1)"

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo demo-down
demo: $(READY) ## a local cluster, a simulated Foreman, the operator and the ZooKeeper example (KEEP=1 leaves it running)
	@python hack/demo.py up $(if $(KEEP),--keep)

demo-down: $(READY) ## end what `make demo KEEP=1` left running
	@python hack/demo.py down

# A cluster of others (E2E_CLUSTER) takes one operator at a time, so one test process.
workers = $(if $(filter-out local,$(E2E_CLUSTER)),1,$(1))

.PHONY: test lint types imports verify unit e2e
test: lint types imports verify unit e2e ## all checks: lint types imports verify unit e2e
	$(call say,all green)

lint: $(READY) ## style: ruff's rules and format, shell scripts, Dockerfile
	$(call say,lint)
	@ruff check --quiet --output-format concise .
	@ruff format --quiet --check . || { echo "Some files are not formatted: run $(BIN)/ruff format" >&2; exit 1; }
	@bash -n .ci/run
	@hadolint Dockerfile

types: $(READY) ## types: mypy --strict
	$(call say,types)
	@mypy

imports: $(READY) ## the layers of the house: who may import whom
	$(call say,imports)
	@lint-imports --config pyproject.toml --no-logo

verify: $(READY) ## generated files are what the models say
	$(call say,verify)
	@python -m foreman_stacks.api.generate --check

unit: $(READY) ## unit tests
	$(call say,unit)
	@pytest tests/unit -n 2 -q

e2e: $(READY) ## tests against a real kube-apiserver and the simulator
	$(call say,e2e)
	@python hack/control_plane.py build
	@pytest tests/e2e -n $(call workers,2) --dist loadfile --timeout 600 -m "not crash" -q

.PHONY: crash-test bench generate lock clean
crash-test: $(READY) ## kill the operator at every single write of the example, one by one (about half an hour on 2 cores)
	@python hack/control_plane.py build
	@pytest tests/e2e -n $(call workers,3) --dist load -m crash -q

bench: $(READY) ## measure, and print the table of docs/benchmarks.md
	@python hack/control_plane.py build
	@python hack/bench.py $(ARGS)

generate: $(READY) ## write the generated files again (CRDs, RBAC, docs/api.md)
	@python -m foreman_stacks.api.generate

COMPILE = CUSTOM_COMPILE_COMMAND="make lock" pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options
lock: $(READY) ## choose newer versions of the dependencies within pyproject.toml's ranges
	@$(COMPILE) --upgrade -o requirements.txt pyproject.toml
	@$(COMPILE) --upgrade --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml
	@$(COMPILE) --upgrade --only-build-deps --build-deps-for wheel -o hack/requirements-build.txt pyproject.toml

clean: ## end the demo; remove .venv, caches and what was built (the control plane's cache stays)
	@if [ -d .demo ] && [ -x $(BIN)/python ]; then $(BIN)/python hack/demo.py down; fi
	@rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find operator hack tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The environment: exactly the locked versions, checked by hash. Made again when one of these files changes.
$(READY): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON): install Python 3.11 or newer, or say make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$$($(PYTHON) --version) is too old: 3.11 or newer is needed; say make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv: on Debian and Ubuntu 'apt-get install python3-venv' brings it." >&2; exit 1; }
	@echo "Installing the locked packages into .venv (about a minute the first time) …"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
