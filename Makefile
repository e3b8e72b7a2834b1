# Every command of this repository; `make help` lists them. A python and make are all it takes: the first
# target that needs it builds .venv from uv.lock (see .ci/bootstrap), and later ones only when that changes.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON_CODE := $(wildcard layers functions localcloud certs tests bench plugin)
LOCK := uv.lock pyproject.toml .ci/bootstrap
RUN_STAMP := .venv/.installed-run
DEV_STAMP := .venv/.installed-dev
EXPORT := .tools/uv/bin/uv export --frozen --quiet --no-header --no-annotate --only-group

export PYTHON
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= eu-west-1
# Compiled modules are kept: without them each stack of the tests compiles every function again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run demo-openedx test simulate storm fuzz e2e lint format typecheck docs bench build debug audit clean ci

help: ## list the commands
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; done

setup: $(DEV_STAMP) ## build .venv with everything that development needs

run: $(RUN_STAMP) ## the main job: a course run through the local cloud (ARGS="FILE...": your own events)
	@$(BIN)/certs run $(ARGS)

demo-openedx: $(DEV_STAMP) ## an Open edX platform connected to the service, as a story
	@PYTHONPATH=.:plugin/src:layers/certrules $(BIN)/python -W ignore -m plugin.tests.demo

test: $(DEV_STAMP) ## all tests, core at 100 % branch coverage (ARGS="tests/core -k grade": some, without coverage)
	@$(BIN)/pytest $(or $(ARGS),-n auto --dist worksteal --ignore tests/core)
	@$(if $(ARGS),,$(BIN)/pytest tests/core -n auto --dist worksteal --cov)
	@$(if $(ARGS),,$(BIN)/pytest -c plugin/pyproject.toml --rootdir plugin plugin/tests -n auto --dist worksteal)

simulate: $(DEV_STAMP) ## 100,000 histories with faults at every call to AWS (ARGS="--histories 2000", ARGS="--seed 7 --histories 1")
	@PYTHONPATH=. $(BIN)/python -m tests.simulation $(ARGS)

storm: $(DEV_STAMP) ## 10,000 changes delivered to a Credentials service through faults and an outage (ARGS="--changes 500 --seed 7")
	@PYTHONPATH=.:layers/certrules $(BIN)/python -m tests.records $(ARGS)

fuzz: $(DEV_STAMP) ## fuzz events, table rows, stored text and the API for longer than tests do (ARGS=600: seconds for each)
	@PYTHONPATH=. $(BIN)/python -m tests.fuzz $(ARGS)

e2e: $(DEV_STAMP) ## the built stack deployed in LocalStack: events, a bulk run, an import, a reconciliation, in real containers
	@PYTHONPATH=. $(BIN)/python -m tests.e2e

lint: $(DEV_STAMP) ## style, import contracts, and whether the lock and generated docs are current
	@.tools/uv/bin/uv lock --check --quiet
	@{ $(EXPORT) layer | diff layers/certrules/requirements.txt - && \
		$(EXPORT) support | diff functions/support/requirements.txt - && \
		$(EXPORT) report | diff functions/report/requirements.txt -; } || \
		{ echo "requirements.txt is not what uv.lock says: run make docs"; exit 1; }
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/cog --check docs/*.md

format: $(DEV_STAMP) ## rewrite the code in its one style
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

typecheck: $(DEV_STAMP) ## mypy, strict
	@$(BIN)/mypy $(PYTHON_CODE)

docs: $(DEV_STAMP) ## regenerate the generated parts of docs/, and the layer's requirements.txt
	@$(BIN)/cog -r docs/*.md
	@$(BIN)/python -m certs.openapi > docs/openapi.json
	@$(EXPORT) layer > layers/certrules/requirements.txt
	@for name in support report; do $(EXPORT) $$name > functions/$$name/requirements.txt; done

bench: $(DEV_STAMP) ## measure against the goals of docs/performance.md
	@$(BIN)/python -m bench $(ARGS)
	@$(if $(ARGS),,PYTHONPATH=.:plugin/src:layers/certrules $(BIN)/python -W ignore -m plugin.bench)

build: $(DEV_STAMP) ## sam build: the layer and every function, as they are deployed
	@PATH="$$PWD/$(BIN):$$PATH" sam build $(ARGS)

debug: $(DEV_STAMP) ## a function in a real Lambda container: F=ingest E=events/NAME.json (ARGS=--all: all of them)
	@$(BIN)/python -m certs.debug $(if $(ARGS),$(ARGS),$(F) $(E))

audit: $(RUN_STAMP) ## known vulnerabilities of all dependencies, and SBOMs (CycloneDX) of what is shipped, in dist/sbom/
	@.ci/audit

clean: ## remove what was built, .venv and .tools too
	@rm -rf .venv .tools .aws-sam .coverage* .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

ci: ## everything that CI runs
	@.ci/run

# The stamps live in .venv, so that removing it removes them. Having all, one has what `certs` runs on.
$(RUN_STAMP): $(LOCK)
	@.ci/bootstrap --inexact
	@touch $@

$(DEV_STAMP): $(LOCK)
	@.ci/bootstrap --group dev
	@touch $(RUN_STAMP) $@
