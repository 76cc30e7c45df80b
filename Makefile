# Every target sets itself up: .venv is made once and brought up to date when pyproject.toml or constraints.txt change.
#
#   make test PYTHON=python3.12                 another interpreter (3.11 to 3.13)
#   make setup TORCH=torch==2.13.0+cu130        another build of torch; what pip takes after `install` fits here
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup test test-lowest test-tools audit lint reproduce-table6 reproduce-all parse test-torchvision check-features torture bench bench-gpu bench-functions clean

PYTHON ?= python3
TORCH ?= torch==2.13.0
LOWEST_TORCH ?= $(TORCH)
TORCHVISION ?= torch==2.14.1 torchvision==0.29.1
# One more than cores: many tests wait for processes that they start.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2); echo $$((n < 3 ? n + 1 : 4)))

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile
# Compiled once, on all cores, after pip: where PYTHONDONTWRITEBYTECODE is set every start would take 12 s longer.
COMPILE := $(BIN)/python -m compileall -q -j 0 -x '/(tests?|testing)/' $(VENV)/lib >/dev/null || true
# torch is taken out: it is installed first, from TORCH, and pip leaves alone what is there.
CONSTRAINTS := $(VENV)/constraints.txt
STATE := $(shell { cat pyproject.toml constraints.txt; echo '$(CURDIR) $(PYTHON) $(TORCH)'; } | cksum | cut -d ' ' -f 1)
RUNTIME := $(VENV)/.ready-$(STATE)
DEV := $(VENV)/.ready-dev-$(STATE)
MEDIA := $(VENV)/.ready-media-$(STATE)

say = @printf '==> %s\n'

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV) ## make .venv with everything that the other targets need
	$(say) "$(VENV) is ready: $(BIN)/leap-avvp --help"

test: $(DEV) ## run every test, the slow ones too, with coverage (WORKERS=4; ARGS= goes to pytest)
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --cov --cov-fail-under=85 $(ARGS)

test-lowest: ## run the tests with the lowest versions of constraints-lowest.txt, in .venv-lowest (LOWEST_TORCH=torch==2.6.0: its CUDA build)
	$(say) "making .venv-lowest"
	@"$(PYTHON)" -m venv --clear .venv-lowest
	@grep -v '^torch==' constraints-lowest.txt > .venv-lowest/constraints.txt
	@grep -E '^(pytest|hypothesis|coverage|execnet|joblib)' constraints.txt >> .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip install -qq --disable-pip-version-check 'setuptools>=77,<81' $(LOWEST_TORCH)
	@.venv-lowest/bin/python -m pip install -qq --disable-pip-version-check --no-build-isolation -e '.[tensorboard,launchers]' \
	  pytest pytest-cov pytest-xdist pytest-benchmark hypothesis build 'scikit-learn>=1.4,<1.6' -c .venv-lowest/constraints.txt
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -q -n $(WORKERS) --dist worksteal -W default \
	  --disable-warnings -m 'not slow' $(ARGS)

test-tools: $(DEV) ## install what some tests skip without: Debian's chromium, ffmpeg, gcompris-qt-data and Slurm (as root), Playwright's core, two networks
	@set +e; if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  export DEBIAN_FRONTEND=noninteractive; apt-get update -qq >/dev/null; \
	  apt-get install -y -qq --no-install-recommends chromium ffmpeg gcompris-qt-data slurm-wlm munge >/dev/null; \
	  command -v npm >/dev/null || apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; \
	fi; \
	command -v npm >/dev/null && npm install --silent --prefix .cache/playwright --no-audit --no-fund playwright-core@1.65.1 >/dev/null; \
	$(BIN)/leap-avvp weights get embedded; \
	for tool in chromium ffmpeg node sbatch; do command -v $$tool >/dev/null || echo "no $$tool: its tests will skip"; done; true

audit: $(DEV) ## ask PyPI for known vulnerabilities of what constraints.txt pins (needs a network), and list the licences
	@$(PIP) pip-audit && $(BIN)/python -m pip_audit -r constraints.txt --no-deps --disable-pip --strict
	@$(BIN)/python -m tests.packaging.licences

lint: $(DEV) ## check style and types: ruff, mypy
	@$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy

REPRODUCE = @$(BIN)/leap-avvp reproduce $(patsubst reproduce-%,%,$@)$(if $(ARGS), $(ARGS))$(if $(DATA), --data "$(DATA)")$(if $(SEEDS), --seeds $(SEEDS))$(if $(OUT), --out "$(OUT)")

reproduce-table6: $(RUNTIME) ## Table 6 on simulated data, or DATA=/path/to/LLP (SEEDS=0,1,2 OUT=folder ARGS="more overrides")
	$(REPRODUCE)

reproduce-all: $(RUNTIME) ## every table and one report; reproduce-NAME is any other study, reproduce-list shows what each costs
	$(REPRODUCE)

reproduce-%: $(RUNTIME)
	$(REPRODUCE)

parse: $(MEDIA) ## show what is heard and seen in VIDEO=clip.mp4: a table, and a page (gets two small networks; ARGS="--out DIR")
	@test -n "$(VIDEO)" || { echo "make: which video? make parse VIDEO=clip.mp4" >&2; exit 2; }
	@$(BIN)/leap-avvp weights get yamnet efficientnet_lite0
	@$(BIN)/leap-avvp parse "$(VIDEO)" $(ARGS)

# torchvision does not load beside a CPU torch from elsewhere: it has an environment of its own.
VISION := .venv-torchvision
SIGHT := $(VISION)/.ready-$(shell echo '$(CURDIR) $(PYTHON) $(TORCHVISION)' | cksum | cut -d ' ' -f 1)

test-torchvision: $(VISION)/.installed ## test ResNet-152 and R(2+1)D-18 in .venv-torchvision (TORCHVISION="torch==... torchvision==...": 5.5 GB with CUDA)
	@OMP_NUM_THREADS=1 $(VISION)/bin/python -m pytest -q --noconftest tests/media/test_torchvision_backbones.py $(ARGS)

check-features: $(if $(and $(DIR),$(VIDEOS)),$(VISION)/.installed) ## compare released features in DIR with those of VIDEOS, in .venv-torchvision (ARGS="--features valor")
	@test -n "$(DIR)" -a -n "$(VIDEOS)" || { echo "make: which files? make check-features DIR=/path/to/LLP VIDEOS=/path/to/videos" >&2; exit 2; }
	@$(VISION)/bin/python -m leap_avvp.media.check_features "$(DIR)" "$(VIDEOS)" $(ARGS)

torture: $(DEV) ## kill, fill, corrupt and load, and count: writes the table of docs/reliability.md (under half an hour)
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 LEAP_AVVP_TORTURE=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal \
	  -p tests.torture.plugin tests/torture tests/robustness tests/properties tests/end_to_end/test_interruptions.py \
	  tests/data/packed/test_pack.py $(ARGS)

bench: $(DEV) ## measure speed and memory against a plain baseline and the machine (a few minutes; ARGS=--quick)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-gpu: $(DEV) ## time a training of LLP's size on a GPU; without one, only show that it runs
	@$(BIN)/python -m benchmarks.gpu $(ARGS)

bench-functions: $(DEV) ## time the hot functions one by one (pytest-benchmark; ARGS goes to pytest)
	@$(BIN)/python -m pytest -q benchmarks --benchmark-columns=min,median,max $(ARGS)

clean: ## remove .venv, builds and caches (results in outputs/ stay)
	$(say) "removing .venv, builds and caches"
	@rm -rf $(VENV) .venv-lowest $(VISION) build dist src/*.egg-info .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find conf experiments src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME):
	@command -v "$(PYTHON)" >/dev/null || { echo "make: no '$(PYTHON)' here; name Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "make: Python 3.11, 3.12 or 3.13 is needed, '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); name another: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	$(say) "making $(VENV) with $$("$(PYTHON)" -V)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@grep -v '^torch==' constraints.txt > $(CONSTRAINTS)
	$(say) "installing $(TORCH) (about half a minute)"
	@$(PIP) setuptools $(TORCH) -c $(CONSTRAINTS)
	$(say) "installing leap-avvp and what it runs with (about half a minute)"
	@$(PIP) --no-build-isolation -e . -c $(CONSTRAINTS)
	@$(COMPILE)
	@touch $@

$(MEDIA): $(RUNTIME)
	$(say) "installing what reads videos"
	@$(PIP) --no-build-isolation -e '.[media]' -c $(CONSTRAINTS)
	@touch $@

$(SIGHT):
	$(say) "making $(VISION) with $(TORCHVISION) (some minutes)"
	@"$(PYTHON)" -m venv --clear $(VISION)
	@$(VISION)/bin/python -m pip install -qq --disable-pip-version-check --no-compile $(TORCHVISION) 'setuptools>=77' \
	  av soxr 'transformers>=4.45,<6' numpy pillow pyyaml pytest
	@touch $@

$(VISION)/.installed: pyproject.toml $(SIGHT)
	@$(VISION)/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): $(RUNTIME)
	$(say) "installing the tools for tests and style"
	@$(PIP) --no-build-isolation -e '.[dev]' -c $(CONSTRAINTS)
	@$(COMPILE)
	@touch $@
