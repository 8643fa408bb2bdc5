# Words of the developer's loop. Nothing here deletes results.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
UV_VERSION := 0.13.9
PIP_AUDIT_VERSION := 2.10.1
AUDIT_SERVICE ?= pypi
VENV := .venv
STAMP := $(VENV)/.installed
CORES ?= $(shell nproc)
TEST_JOBS ?= 2
PORT ?= 5000
HOST ?= 127.0.0.1
TRACKING ?=
AUTH ?=
PROFILE ?= workflow/profiles/local
CLIPS ?=

SYSTEM_PATH := $(PATH)
export CLIPS
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
# The UI's job workers are of no use here and outlive it.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false

.PHONY: help setup link-clips demo report ui mlflow test test-system test-slurm test-tracking test-faults audit lint format lock

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

setup: $(STAMP)  ## install everything into .venv (needs python3 3.11 or newer; PYTHON=python3.11 chooses one)

# The Python that makes .venv must not be .venv's own. Bytecode is written once, here: every job is a process, and where
# Python may not write it (PYTHONDONTWRITEBYTECODE, a read-only environment) each would compile torch anew, in 6 s of CPU.
$(STAMP): export PATH := $(SYSTEM_PATH)
$(STAMP): envs/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "setup: Python 3.11 or newer is needed, found '$$($(PYTHON) --version 2>&1)';" \
	    "name another one: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "setup: '$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv;" \
	    "if another Python made $(VENV), remove that folder" >&2; exit 1; }
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --require-hashes --compile-bytecode \
	  -r envs/requirements.txt  # complete, so nothing is resolved again (envs/overrides.txt)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps -e .
	@touch $@

link-clips:
	@[ -n "$$CLIPS" ] || exit 0; \
	[ -d "$$CLIPS" ] || { echo "demo: CLIPS='$$CLIPS' is not a folder" >&2; exit 1; }; \
	if [ -e data/clips ] && [ ! -L data/clips ]; then \
	  [ "$$(realpath "$$CLIPS")" = "$$(realpath data/clips)" ] || { \
	    echo "demo: data/clips is a folder of its own, not a link, and stays untouched;" \
	      "move it away, or run: snakemake --cores $(CORES) --config preset=clips" >&2; exit 1; }; \
	else \
	  mkdir -p data && ln -sfn "$$(realpath "$$CLIPS")" data/clips; \
	fi

demo: link-clips setup  ## from the phantom corpus to the report; CLIPS=folder: from a folder of clips [CORES=n]
	snakemake --cores $(CORES) --workflow-profile $(PROFILE) $(if $(CLIPS),--config preset=clips --,) all
	@echo "The report: $(CURDIR)/results/report/index.html"

report: setup  ## the page's workflow companion: provenance, run times and final files of the last run
	snakemake --report results/report/workflow.zip
	@echo "The workflow's report: $(CURDIR)/results/report/workflow.zip"

ui: setup  ## MLflow on 127.0.0.1 [PORT=n]
	mlflow ui --backend-store-uri sqlite:///results/mlflow/mlflow.db --host 127.0.0.1 --port $(PORT)

# TRACKING=postgresql://... names a database, AUTH=--auth asks for passwords: docs/tracking.md
mlflow: setup  ## MLflow's server on HOST=127.0.0.1 [PORT=n TRACKING=uri AUTH=--auth], for make ui's database or another
	python -m eap $(if $(TRACKING),--tracking '$(TRACKING)') track serve --host $(HOST) --port $(PORT) $(AUTH)

test: setup  ## all tests that need no system package
	pytest -m "not system and not slurm and not postgresql and not faults" --numprocesses $(TEST_JOBS) --dist loadfile

test-system: setup  ## the tests that need system packages; none collected is a failure (pytest's exit code 5)
	pytest -m system

# Debian starts no daemon of these packages by itself without a configuration; the tests start their own.
test-slurm: setup  ## the tiny workflow on a one-node Slurm cluster of its own; installs Slurm (root, Debian) if absent
	@if command -v slurmctld slurmd munged sbatch > /dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "test-slurm: installing Debian's packages slurm-wlm and munge"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge; \
	else \
	  echo "test-slurm: Slurm is absent; as root, on Debian: apt-get install slurm-wlm munge" >&2; exit 1; \
	fi
	pytest -m slurm

test-tracking: setup  ## MLflow's server on a PostgreSQL of its own, with passwords; installs Debian's PostgreSQL (root) if absent
	@if ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "test-tracking: installing Debian's package postgresql"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql; \
	else \
	  echo "test-tracking: PostgreSQL is absent; as root, on Debian: apt-get install postgresql" >&2; exit 1; \
	fi
	pytest -m postgresql

test-faults: setup  ## kills, a full disk, a dead server, damaged shards: each caused, the results compared [FAULT_KILLS=20 FAULT_EACH=0 FAULTS='as pytest -k']
	pytest -m faults -s --durations=0 $(if $(FAULTS),-k '$(FAULTS)')

# pip-audit asks PyPI's vulnerability service (or osv) about each locked package: it needs the network, and fails without.
audit: setup  ## known vulnerabilities of the locked packages; no answer is a failure [AUDIT_SERVICE=pypi or osv]
	@uv tool run --quiet --from pip-audit==$(PIP_AUDIT_VERSION) pip-audit --vulnerability-service $(AUDIT_SERVICE) --strict --disable-pip --require-hashes \
	  --progress-spinner off --timeout 15 -r envs/requirements.txt || { \
	  echo "audit: FAILED: vulnerabilities were found, or the service gave no answer (see above);" \
	    "nothing is known to be safe" >&2; exit 1; }

lint: setup  ## style, workflow rules, layers, generated files in step
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint
	pytest tests/test_layers.py tests/unit/test_generated.py

format: setup  ## rewrite Python and Snakemake files in the common style
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

lock: setup  ## resolve envs/requirements.in anew, and write the files that are generated
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.11 --override envs/overrides.txt \
	  envs/requirements.in -o envs/requirements.txt
	{ sed -n '/^#/p' envs/eap.yaml; \
	  printf 'channels: [conda-forge, nodefaults]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n'; \
	  sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/      - \1/p' envs/requirements.txt; } > envs/eap.yaml.new
	mv envs/eap.yaml.new envs/eap.yaml
	python -m eap config-schema > workflow/schemas/config.schema.json
