# What a newcomer types. Everything is installed into .venv; nothing else on the machine changes,
# but for `make test`, which installs Debian's mosquitto, umockdev, chromium and gcc where they are not.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: admin-bench help demo demo-tryton setup test check bench bench-check bench-ledger chaos fleet fuzz kills mutants power prove-tryton prove-lambda-erp prove-sap-models rehearse wear worlds format schemas clean

help:
	@echo "make demo    the whole way of a scan on virtual devices, with a page to look at"
	@echo "make demo-tryton    the same into a real Tryton, built once from PyPI"
	@echo "make test    every test, against a real mosquitto and a real Tryton"
	@echo "make check   ruff, mypy --strict, import rules, freshness of schemas"
	@echo "make bench   speed and memory, as ratios to a floor measured in the same run"
	@echo "make rehearse  a short shift of every job, held against the books"
	@echo "make chaos   the long journeys: SEED=n RUNS=m KILLS=k"
	@echo "make kills   1,000 SIGKILLs of the bridge: SEED=n"
	@echo "make prove-lambda-erp  500 transactions into a real lambda-erp, 30 SIGKILLs: SEED=n"
	@echo "make worlds  simulated worlds with a dozen faults each: WORLDS=n SEED=n"
	@echo "make prove-sap-models  what is sent to SAP, put to a server made of SAP's models"
	@echo "make prove-tryton  500 transactions into a real Tryton, 30 SIGKILLs: SEED=n MODE=native"
	@echo "make mutants sixteen ways to break the promise, each of them caught"
	@echo "make power   1,000 power cuts of the store and as many failing calls: CUTS=n SEED=n"
	@echo "make wear    bytes and flushes a scan costs the disk, beside a floor"
	@echo "make fleet   200 gateways come back to a broker, in real time"
	@echo "make fuzz    spoilt input for every parser: INPUTS=n FUZZ='--family NAME'"
	@echo "make bench-ledger  how fast the bridge takes in, on SQLite and PostgreSQL"
	@echo "make admin-bench  the admin page over a large ledger: ENTRIES=n"
	@echo "make bench-check   fails where the gateway became slower than the baseline"
	@echo "make setup   only make .venv with everything a developer needs"

demo: $(VENV)/.demo
	$(BIN)/scanpost demo

demo-tryton: $(VENV)/.demo
	$(BIN)/python -m tests.tryton.demo

setup: $(VENV)/.dev

# Test files at a time; they wait for processes and disks more than they compute.
JOBS ?= 2
test: $(VENV)/.dev mosquitto umockdev chromium cc faketime pango
	$(BIN)/pytest $(or $(TESTS),--numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m contract.schema --check
	$(BIN)/python -m drivers.table --check
	$(BIN)/python -m bridge.table --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(VENV)/.dev
	$(BIN)/python -m contract.schema --write
	$(BIN)/python -m drivers.table --write
	$(BIN)/python -m bridge.table --write

bench: $(VENV)/.dev mosquitto
	$(BIN)/python -m tests.bench $(if $(PEERS),--peers) $(BENCH)

bench-ledger: $(VENV)/.dev
	$(BIN)/python -m tests.bench.ledger $(BENCH)

admin-bench: $(VENV)/.dev
	$(BIN)/python -m tests.bridge.web.large --entries $(or $(ENTRIES),200000)

bench-check: $(VENV)/.dev mosquitto
	$(BIN)/python -m tests.bench --baseline tests/bench/baseline.json $(BENCH)

SEED ?= 1
RUNS ?= 1
KILLS ?= 1000
chaos: $(VENV)/.dev mosquitto faketime
	SCANPOST_CHAOS_SEED=$(SEED) SCANPOST_CHAOS_RUNS=$(RUNS) SCANPOST_CHAOS_KILLS=$(KILLS) \
		SCANPOST_CHAOS_PARTED=50 \
		$(BIN)/pytest -m chaos --timeout 3600 tests/journeys

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Scanpost needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[dev]'
	@$(PIP) -e '.[evdev]' 2>/dev/null || echo "evdev could not be built: keyboard scanners need\
	 a C compiler with kernel and Python headers, or Debian's python3-evdev; the rest works."
	@touch $@ $(VENV)/.demo

.PHONY: mosquitto umockdev chromium cc faketime pango
mosquitto:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto >/dev/null || \
		{ echo "installing mosquitto"; \
		  $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q mosquitto; }

# The browser of the station screen's tests; Playwright brings none of its own.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		{ echo "installing chromium"; \
		  $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q chromium; }

# Stands in for keyboards and HID devices under the real evdev and hidraw code. Without it those
# tests say that they skip.
umockdev:
	@command -v umockdev-run >/dev/null || \
		{ echo "installing umockdev"; $(SUDO) apt-get update -q && \
		  $(SUDO) apt-get install -y -q umockdev; } || echo "no umockdev: its tests are skipped"

# The tests of power cuts and of a failing disk build a small C shim and an ext4 of their own.
cc:
	@{ command -v cc && PATH="$$PATH:/usr/sbin:/sbin" command -v mkfs.ext4; } >/dev/null || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q gcc libc6-dev e2fsprogs; } || \
		echo "no C compiler: the power tests are skipped"

# Steps the wall clock under running daemons; without it the journeys say that they do not.
faketime:
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q libfaketime; } || \
		echo "no libfaketime: clocks are not stepped"

# lambda-erp, a real ERP the tests write to, prints with it and does not start without.
pango:
	@ls /usr/lib/*/libpango-1.0.so.0 /usr/lib/*/libpangoft2-1.0.so.0 >/dev/null 2>&1 || \
		{ $(SUDO) apt-get update -q && \
		  $(SUDO) apt-get install -y -q libpango-1.0-0 libpangoft2-1.0-0; } || \
		echo "no libpango: the tests of lambda-erp are skipped"

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

worlds: $(VENV)/.dev
	$(BIN)/python -m tests.worlds --worlds $(or $(WORLDS),10000) --first $(or $(SEED),0)

mutants: $(VENV)/.dev mosquitto
	$(BIN)/python -m tests.mutants --all

CUTS ?= 1000
power: $(VENV)/.dev mosquitto cc
	SCANPOST_POWER_CUTS=$(CUTS) SCANPOST_POWER_SEED=$(SEED) $(BIN)/pytest --timeout 3600 tests/power

wear: $(VENV)/.dev mosquitto cc
	$(BIN)/python -m tests.power.wear

fleet: $(VENV)/.dev mosquitto
	SCANPOST_FLEET_SPEED=1 $(BIN)/pytest -s tests/runtime/test_fleet.py

kills: $(VENV)/.dev
	SCANPOST_KILLS_SEED=$(SEED) SCANPOST_KILLS=1000 $(BIN)/pytest --timeout 3600 tests/journeys/test_bridge_kills.py

prove-lambda-erp: $(VENV)/.dev mosquitto pango
	$(BIN)/python -m tests.prove.lambda_erp --seed $(SEED)

rehearse: $(VENV)/.dev mosquitto
	SCANPOST_REHEARSE=1 $(BIN)/pytest tests/scanpost/test_rehearse.py

fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),100000) $(FUZZ)

MODE ?= native
# What is sent to SAP, put to a server made of SAP's own models; npm fetches it once.
prove-sap-models: $(VENV)/.dev
	SCANPOST_SAP_CDS=1 $(BIN)/pytest tests/bridge/connectors/test_sap_s4_model.py

prove-tryton: $(VENV)/.dev mosquitto
	$(BIN)/python -m tests.prove.tryton --seed $(SEED) --mode $(MODE)
