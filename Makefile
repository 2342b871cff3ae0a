# Two commands are all a newcomer needs: `make demo` and `make test`.
# The newest that the project runs on, of those that are here and can make an environment.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c '$(FITS)' 2> /dev/null && { echo $$python; break; }; done)
NO_PYTHON := Python 3.11 to 3.14 with venv is needed: apt install python3-venv, \
	dnf install python3.13, or https://www.python.org/downloads/
VENV := .venv
BIN := $(VENV)/bin
SUM := $(shell cksum < pyproject.toml | cut -d' ' -f1)
STAMP := $(VENV)/.installed-$(SUM)
BENCH_STAMP := $(VENV)/.installed-bench-$(SUM)
FASTDUP := benchmarks/.cache/fastdup
NEAREST := benchmarks/.cache/nearest

.PHONY: demo serve test test-quick test-cluster torture format docs bench bench-fastdup bench-nearest clean

demo: $(STAMP)
	$(BIN)/engine demo

# The page on the demo's catalog, which fills while it is up: make serve ARGS="--port 9000"
serve: $(STAMP)
	$(BIN)/engine demo --serve --open $(ARGS)

# A file's tests share what takes long to make, so they stay together.
WORKERS := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
SIDE_BY_SIDE := $(WORKERS) --ignore=tests/cluster

# Threads of NumPy and of torch wait busily, and there are as many workers as cores: one core would
# wait for what another has no time to do.
test test-quick test-cluster torture: export OPENBLAS_NUM_THREADS = 1
test test-quick test-cluster torture: export OMP_WAIT_POLICY = passive

# Images of containers often set it: each process would compile anew what it imports.
test test-quick test-cluster torture: export PYTHONDONTWRITEBYTECODE =

# Every commit of a store is synchronized: a disk takes longer for that than a test for all else.
ROOMY_MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }')
test test-quick test-cluster: export TMPDIR := $(or $(ROOMY_MEMORY),$(TMPDIR),/tmp)

test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# The inner loop: what is marked slow is left to `make test`.
test-quick: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow"

# A whole cluster on this machine: PostgreSQL, Ray, Milvus Lite and an S3 server, each of them killed.
# ENGINE_TEST_KILL_IMAGES=50000 lets twenty kills at random fall among so many images.
test-cluster: $(STAMP)
	timeout --signal=INT 300 $(BIN)/python -m pytest $(WORKERS) tests/cluster

# Kills, damages, starves and lies to it: make torture ARGS="--minutes 30"; see docs/reliability.md.
torture: $(STAMP)
	$(BIN)/python -m tests.torture $(ARGS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python -m cli.docs docs/command-line.md

# Compares with other tools: make bench ARGS="--quick --only embedding"; see benchmarks/README.md.
bench: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

# fastdup is closed and for non-commercial use, so nobody gets it without asking for it by name.
bench-fastdup: $(FASTDUP)/bin/python
	$(FASTDUP)/bin/python -m pip install --quiet --disable-pip-version-check fastdup==2.54

$(FASTDUP)/bin/python:
	$(PYTHON) -m venv $(FASTDUP)

# Other libraries of nearest neighbours, in an environment of their own.
bench-nearest: $(NEAREST)/bin/python
	$(BIN)/python -m benchmarks.nearest --python $(NEAREST)/bin/python $(ARGS)

$(NEAREST)/bin/python: benchmarks/peers/nearest/requirements.txt
	$(PYTHON) -m venv $(NEAREST)
	$(NEAREST)/bin/python -m pip install --quiet --disable-pip-version-check -r $<

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	touch $@

# The stamp's name holds pyproject's checksum: a changed dependency installs again, nothing else does.
$(STAMP): pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "$(NO_PYTHON)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache engine-demo benchmarks/.cache
