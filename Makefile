# Every target is complete from a clean checkout, on python3 (3.11 to 3.13) and make alone.
PYTHON ?= python3
ARGS ?=
PROCESSES ?=
# A file's tests stay together, in the order of their names: those with processes, which take long, begin.
# To see one at work, ARGS="-n 0 -k gate".
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 1

.PHONY: help setup test test-browser demo bench drills mutation lint format test-quickfix train lock clean clean-kafka

help:
	@echo 'make setup          the environment .venv and a local Kafka'
	@echo 'make demo           the whole service on a market, about two minutes'
	@echo 'make test           every test, several at once (ARGS="-k gate" to choose, ARGS="-n 0" for one by one)'
	@echo 'make drills         a million seeded faults against the gateway (ARGS="--seed 7"), and 200 kill -9 of real'
	@echo '                    processes (PROCESSES="--kills 50 --seed 7"; needs strace)'
	@echo 'make mutation       changes the gate line by line: a test must notice (ARGS=service/risk/calm.py)'
	@echo 'make bench          ratios against the bare libraries'
	@echo 'make lint format    what CI checks, and the formatter'
	@echo 'make test-browser   a day at the console in a real Chromium'
	@echo 'make test-quickfix  the FIX tests on upstream quickfix (needs a C++ compiler)'
	@echo 'make compose-test   docker-compose.yml for real: build, trade, kill, crash (needs Docker or Podman)'
	@echo 'make train          train the models that ship in policies/models'
	@echo 'make lock           rewrite requirements/ (ARGS=--upgrade to move versions)'

setup:
	@$(PYTHON) scripts/setup.py

test: setup
	.venv/bin/python -m pytest $(PARALLEL) $(ARGS)

demo: setup
	.venv/bin/slipstream demo $(ARGS)

drills: setup
	.venv/bin/python -m tests.drills $(ARGS)
	.venv/bin/python -m tests.drills.processes $(PROCESSES)

# Not part of `make test`: it runs the gate's tests about two thousand times.
mutation: setup
	.venv/bin/python scripts/mutation.py $(ARGS)

bench: setup
	.venv/bin/python -m benchmarks $(ARGS)

# A real Chromium; `make test` runs these too where there is one.
test-browser: setup
	SLIPSTREAM_REQUIRE_CHROMIUM=1 .venv/bin/python -m pytest tests/browser $(ARGS)

lint: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

# Only the folders that touch the FIX engine: the rest does not depend on which build of it is there.
FIX_TESTS := $(wildcard tests/integration/fix tests/unit/fix tests/unit/simulation)
test-quickfix:
	@$(PYTHON) scripts/setup.py --name quickfix
	@test -n "$(FIX_TESTS)" || { echo 'error: the folders of the FIX tests are gone'; exit 1; }
	.venv-quickfix/bin/python -m pytest $(PARALLEL) $(FIX_TESTS) $(ARGS)

# Not part of `make test`: it needs an engine, and minutes.
compose-test: setup
	.venv/bin/python scripts/compose_test.py $(ARGS)

train:
	@$(PYTHON) scripts/setup.py --name train
	.venv-train/bin/python -m policies.training $(ARGS)

lock: setup
	scripts/lock.sh $(ARGS)

# The next setup fetches the locked jars again.
clean-kafka:
	rm -rf .jgo

clean:
	rm -rf .venv .venv-quickfix .venv-train .venv*.lock .jgo .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
