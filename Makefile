# Only make and python3 (3.11 or newer) are assumed; every target sets up what it needs, once.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
SECONDS ?= 300
EVENTS ?= 1000000
ROWS ?= 300000
ARGS ?=

# An interpreter of your choice: make PYTHON=/path/to/python3.12 …
PYTHON ?=

define find_python
found=; \
for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
done; \
if [ -z "$$found" ]; then \
  echo "error: no suitable Python. The bridge needs Python 3.11 or newer with the modules venv and ensurepip." >&2; \
  for candidate in $(PYTHON) python3; do \
    "$$candidate" -c 'import sys; print("       found", sys.executable, sys.version.split()[0], file=sys.stderr)' 2>/dev/null \
      || echo "       not found or not working: $$candidate" >&2; \
  done; \
  echo "hint:  install one (on Debian and Ubuntu: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3.12 …" >&2; \
  exit 1; \
fi
endef

# $(call install,EXTRA): a dot for each package that pip collects; everything it says is kept in .venv/pip.log.
define install
echo "==> installing the bridge with what '$(1)' needs into $(VENV) (once; log in $(VENV)/pip.log)"; \
{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e '.[$(1)]' 2>&1; echo "pip ended with $$?"; } \
  | tee $(VENV)/pip.log | awk '/^ *Collecting /{printf "."; fflush()} END{print ""}'; \
tail -n 1 $(VENV)/pip.log | grep -qx 'pip ended with 0' || { tail -n 20 $(VENV)/pip.log >&2; exit 1; }
endef

.PHONY: help
help: ## Show this help
	@echo "make TARGET   (needs only make and python3 >= 3.11)"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-9s %s\n", $$1, $$2}' Makefile

$(VENV)/bin/python:
	@$(find_python); echo "==> $$found -m venv $(VENV)"; "$$found" -m venv --clear $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(call install,demo)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(call install,dev)
	@touch $(VENV)/.demo $@

.PHONY: setup
setup: $(VENV)/.dev ## Make .venv with everything for development (the other targets do it too)
	@echo "ready: $(BIN)/aep-bridge --help"

.PHONY: demo
demo: $(VENV)/.demo ## Watch events travel from MoEngage's side to AEP's (an emulator), under a minute
	@$(BIN)/aep-bridge demo $(ARGS)

.PHONY: test
test: $(VENV)/.dev ## Run the tests (with Java 17 and Maven against a real Apache Kafka); ARGS="-k name" goes to pytest
	@$(BIN)/python tests/support/lanes.py $(ARGS)

.PHONY: check
check: $(VENV)/.dev ## Lint, formatting, types and security
	@echo "==> ruff check"; $(BIN)/ruff check
	@echo "==> ruff format"; $(BIN)/ruff format --check
	@echo "==> import-linter"; $(BIN)/lint-imports --no-cache
	@echo "==> mypy --strict"; $(BIN)/mypy --strict
	@echo "==> bandit"; $(BIN)/bandit --quiet --configfile pyproject.toml --recursive bridge

.PHONY: generated
generated: $(VENV)/.dev ## Write the files that are generated; ARGS=--check only names what is out of date
	@PYTHONPATH=tests $(BIN)/python tests/support/generated.py $(ARGS)

.PHONY: real
real: $(VENV)/.dev ## Hold reader, checker and init to real schemas and examples: ARGS=DIR
	@test -n "$(ARGS)" || { echo "error: make real ARGS=DIR names the folder of schemas (*.schema.json) and examples (*.example.*.json)" >&2; exit 2; }
	@$(BIN)/python -m pytest tests/contract/test_real_material.py --real=$(ARGS)

.PHONY: audit
audit: | $(VENV)/bin/python ## Look for known weaknesses in every pinned dependency (asks PyPI's advisory database)
	@test -x .make/audit/bin/pip-audit || { $(BIN)/python -m venv .make/audit && .make/audit/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@# --strict: what the database does not know of counts as a finding, not as clean.
	@.make/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off -r constraints.txt $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev ## Run the benchmarks; ARGS="--quick" for a short run
	@$(BIN)/python -m bench $(ARGS)

.PHONY: backfill
backfill: $(VENV)/.dev ## Read EVENTS=1000000 exported events from an S3 server into Kafka and on to an emulated AEP, and count each
	@$(BIN)/python -m pytest tests/system/test_object_backfill_whole_way.py --backfill-events=$(EVENTS) --timeout=0 -n0 $(ARGS)

.PHONY: sync
sync: $(VENV)/.dev ## Send tables of ROWS=300000 from PostgreSQL to an emulated MoEngage, kill runs and workers, and compare row by row
	@$(BIN)/python -m pytest tests/system/test_sync_postgresql.py --sync-rows=$(ROWS) --timeout=0 -n0 -v $(ARGS)

.PHONY: simulate
simulate: $(VENV)/.dev ## Run whole workers on virtual time for SECONDS=300; ARGS="--seed N" plays one seed again
	@PYTHONHASHSEED=0 PYTHONPATH=tests:tests/support $(BIN)/python -m simulation --seconds=$(SECONDS) $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.dev ## Break things for SECONDS=300 against three real brokers and count every event
	@$(BIN)/python -m pytest tests/chaos --chaos-seconds=$(SECONDS) --timeout=0 -s $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev ## Hold 2,000 events/s for SECONDS=300 with a fault a minute, and measure what grows
	@$(BIN)/python -m pytest tests/chaos/test_soak.py --soak-seconds=$(SECONDS) --timeout=0 -s $(ARGS)

.PHONY: mutants
mutants: $(VENV)/.dev ## Change every safety-critical line of the worker, one at a time: a fast test must fail for each
	@cd tests && PYTHONPATH=. ../$(BIN)/python -m mutation $(ARGS)

.PHONY: pins
pins: ## For maintainers: resolve constraints-hashes.txt (what the image installs) anew; needs python3.13
	@command -v python3.13 >/dev/null || { echo "error: the image runs Python 3.13, and there is no python3.13 here to resolve for it" >&2; exit 1; }
	@python3.13 -m venv --clear .make/pins && .make/pins/bin/pip install --quiet --disable-pip-version-check pip-tools
	@.make/pins/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --build-deps-for wheel --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --extra objects --extra warehouse -c constraints.txt -o .make/hashes.txt pyproject.toml
	@{ echo "# What the container image installs, by hash (Python 3.13). Made by \`make pins\` from pyproject.toml and constraints.txt."; \
	  cat .make/hashes.txt; } > constraints-hashes.txt

.PHONY: digests
digests: ## For maintainers: pin every image by the digest that its version has now, beside the version; needs docker and a network
	@command -v docker >/dev/null || { echo "error: digests come from the image registries, asked by docker, and there is no docker here" >&2; exit 1; }
	@set -e; \
	for image in $$(sed -nE 's/^ *(image:|FROM) +([a-z][a-z/]*:[^ @]+)(@[^ ]+)?( .*)?$$/\2/p' docker-compose.yml Dockerfile | grep -v '^moengage-aep-bridge:' | sort -u); do \
	  digest=$$(docker buildx imagetools inspect "$$image" --format '{{.Manifest.Digest}}'); \
	  printf '%s\n' "$$digest" | grep -Eqx 'sha256:[0-9a-f]{64}' || { echo "error: no digest of $$image: $$digest" >&2; exit 1; }; \
	  echo "$$image@$$digest"; \
	  sed -i.before -E "s|$$image(@sha256:[0-9a-f]{64})?( \|$$)|$$image@$$digest\2|" docker-compose.yml Dockerfile; \
	done; \
	rm -f docker-compose.yml.before Dockerfile.before

.PHONY: clean
clean: ## Remove what the other targets made (.venv, caches, builds)
	@rm -rf $(VENV) .make build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/.work
	@find bridge tests bench -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
