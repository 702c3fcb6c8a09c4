# Everything a person or CI does with this checkout. Paths are relative, so a checkout may live anywhere.
# `setup` is quick when nothing changed: it compares digests of what it installed and built from.

PYTHON ?= python3
RUN := .venv/bin/python
HOSTS ?= 200
DEMO_ARGS ?=
HISTORIES ?= 200000
SEED ?= 0
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-browser demo test test-python test-frontend histories check bench format openapi lock clean

help: ## List what can be done here
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## Install what is pinned, build the pages; a second time takes seconds
	@$(PYTHON) tools/setup.py

setup-browser: setup
	@$(PYTHON) tools/setup.py --browser

demo: setup ## Show a live fleet of 200 simulated hosts (make demo HOSTS=2500)
	@exec .venv/bin/patch-manager demo --hosts $(HOSTS) $(DEMO_ARGS)

test: setup-browser test-python test-frontend ## Run every test, browsers included

test-python: setup
	@$(RUN) -m pytest $(PYTEST_ARGS)

histories: setup ## Run 200,000 histories of the job protocol (make histories HISTORIES=20000 SEED=1)
	@JOB_HISTORIES=$(HISTORIES) JOB_SEED=$(SEED) $(RUN) -m pytest tests/jobs/test_protocol_histories.py

test-frontend: setup
	@$(RUN) tools/setup.py --npm run test

check: setup ## Lint, types, rooms, generated files
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports
	@$(RUN) tools/generated.py --check
	@$(RUN) tools/setup.py --npm run check

bench: setup ## Measure against floors in the same run; prints a table, writes benchmarks/results/
	@$(RUN) -m benchmarks

openapi: setup ## Write the API description and the browser's types anew
	@$(RUN) tools/generated.py
	@$(RUN) tools/setup.py --npm run gen

format: setup ## Format Python and TypeScript
	@$(RUN) -m ruff check --fix --quiet . ; $(RUN) -m ruff format .
	@$(RUN) tools/setup.py --npm run format

lock: setup ## Pin dependencies anew from requirements/*.in (hashes, no addresses)
	@$(RUN) tools/lock.py

clean: ## Remove what setup made (not .demo, the demo's data)
	rm -rf .venv .node frontend/node_modules patch_manager/http/static build
