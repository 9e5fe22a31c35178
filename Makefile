# run · test · check · bench. Each makes .venv from the locked files with the system's Python; nothing else is needed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile
# What it takes to serve, and everything. Stamps are made anew when a lock changes.
RUN_READY := .venv/.run-ready
DEV_READY := .venv/.dev-ready
LOCKS := requirements.txt requirements-gateway.txt requirements-dev.txt
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11

# Where an environment forbids it, every process that tests start would compile all it imports: two seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: package image deploy destroy run test check format bench cost lock openapi conformance conformance-aws clients browser pictures \
	campaigns exhaustive campaign-kills campaign-faults campaign-soak campaign-api

run: $(RUN_READY)
	@exec $(BIN)/python -m chalicelib.cli serve

# Many tests wait for the disk or for a process: one worker a core, and each takes over what another has not begun.
test: $(DEV_READY)
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/house

format: $(DEV_READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What is checked in about the management API: docs/openapi.json and docs/roles.md. Tests hold them to the code.
openapi: $(DEV_READY)
	$(BIN)/python -m chalicelib.cli.openapi docs

# Side by side with the other registries found on this machine; writes benchmarks/RESULTS.md.
bench: $(DEV_READY)
	$(BIN)/python -m benchmarks

# What AWS is given: build/package/sam.json and deployment.zip. Calls nothing of AWS.
package: $(DEV_READY)
	@$(BIN)/python -m infra.package

# The gateway's image, by whichever of docker and buildah is there: make image IMAGE=name:1
# The scanner's, where trivy is to scan: make image FILE=infra/scanner.Dockerfile IMAGE=name:1
FILE ?= infra/Dockerfile
image:
	@command -v docker >/dev/null && exec docker build -f "$(FILE)" -t "$(IMAGE)" . || \
		exec buildah bud -f "$(FILE)" --format docker -t "$(IMAGE)" .

# make deploy STAGE=prod [SET="Domain=registry.example.com …"]: shows what would change, asks, then does it.
deploy: package
	@$(BIN)/python -m infra.deploy up "$(STAGE)" $(SET)

# Shows what would go and what stays, asks for the stack's name, then does it. Tables, bucket and secret stay.
destroy: $(DEV_READY)
	@$(BIN)/python -m infra.deploy down "$(STAGE)"

# docs/cost.md, from recorded counts and list prices. COST=--count counts anew, on moto in this process.
cost: $(DEV_READY)
	$(BIN)/python -m benchmarks.cost $(COST)

# The upstream conformance program against the embedded stack; .ci/install-conformance brings it.
conformance: $(DEV_READY)
	$(BIN)/python -m pytest -m conformance tests/conformance

# The same against the AWS stack, on the emulators that .ci/install-emulators brings.
conformance-aws: $(DEV_READY)
	CRS_EMULATORS=required $(BIN)/python -m tests.ports_aws.serving $(BIN)/python -m pytest -m conformance tests/conformance/test_upstream.py

# Real registry clients, Trivy and package managers; .ci/install-clients brings them.
clients: $(DEV_READY)
	$(BIN)/python -m pytest -m clients tests

# The console in Chromium; .ci/install-browser brings it. Two at once: each has a service and a browser of its own.
browser: $(DEV_READY)
	$(BIN)/python -m pytest -m browser --numprocesses 2 --dist worksteal tests/console/browser

# docs/console: what every screen looks like, by the same tests. Pictures that look the same stay as they are.
pictures: $(DEV_READY)
	CRS_PICTURES=docs/console $(BIN)/python -m pytest -m browser --numprocesses 2 --dist worksteal \
		tests/console/browser/test_screens_in_a_browser.py tests/console/browser/test_pictures.py

# kill -9 at random moments, with a check of the data folder after each; goes on where an earlier run stopped.
campaign-kills: $(DEV_READY)
	$(BIN)/python -m tests.faults.kills

# Every call of every operation fails before, fails after, and is the last of its process; goes on where an earlier run
# stopped. FAULTS="--points 20000 --seed 2 --processes 1" asks for another one.
campaign-faults: $(DEV_READY)
	$(BIN)/python -m tests.faults.points.campaign $(FAULTS)

# Thirty minutes of pushes, pulls, deletions and collection at 250 requests a second; writes benchmarks/RESULTS-soak.md.
# SOAK="--minutes 2 --rate 150" is what CI runs.
campaign-soak: $(DEV_READY)
	$(BIN)/python -m tests.soak $(or $(SOAK),--report benchmarks/RESULTS-soak.md)

# Every operation of the management API asked at random, as each role; goes on where an earlier run stopped.
# CAMPAIGN="--examples 50 --roles owner,reader --rooms all --processes 2 --quiet" is what CI runs.
campaign-api: $(DEV_READY)
	$(BIN)/python -m tests.api.campaign $(CAMPAIGN)

# Every bounded campaign: kills, schedules, fault points, searches. What CI runs.
campaigns: $(DEV_READY)
	$(BIN)/python -m pytest -m campaign --numprocesses auto --dist worksteal

# What campaigns have a sample of, whole: every fault point, many more seeds, larger searches.
exhaustive: $(DEV_READY)
	$(BIN)/python -m pytest -m exhaustive --numprocesses auto --dist worksteal

# Exact versions with hashes, from pyproject.toml. Versions in the locks stay unless LOCK="--upgrade" is given.
lock: $(DEV_READY)
	$(COMPILE) $(LOCK) pyproject.toml -o requirements.txt
	$(COMPILE) $(LOCK) pyproject.toml --extra gateway -c requirements.txt -o requirements-gateway.txt
	$(COMPILE) $(LOCK) pyproject.toml --extra gateway --extra dev -c requirements-gateway.txt -o requirements-dev.txt

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv .venv

$(RUN_READY): requirements-gateway.txt | .venv/bin/python
	@test -e $(DEV_READY) && test ! requirements-gateway.txt -nt $(DEV_READY) || \
		{ echo "installing what the service needs into .venv"; $(PIP) -r requirements-gateway.txt; }
	@touch $@

$(DEV_READY): requirements-dev.txt | .venv/bin/python
	@echo "installing what tests and checks need into .venv"
	@$(PIP) -r requirements-dev.txt
	@touch $@
