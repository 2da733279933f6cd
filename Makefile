# Needs only Python 3.11+ and make: everything else is installed into .venv from the pinned, hashed requirement files.
PYTHON ?= python3
BIN := .venv/bin
RUN_STAMP := .venv/.run
DEV_STAMP := .venv/.dev
BENCH_STAMP := .venv/.bench
AUDIT_STAMP := .venv-audit/.done
CLIENTS_STAMP := .venv-clients/.done
UV := $(shell command -v uv)
# uv where it is installed: it is faster. pip otherwise, with its progress.
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check --no-input)

# Many tests wait for processes, so that two for each core are sooner done than one.
TEST_PROCESSES ?= 4

.PHONY: run test test-fast lint types audit sbom mutants lock docs messages screenshots clean

run: $(RUN_STAMP)  ## the service on http://127.0.0.1:8000: for real with OWM_API_KEY, on the simulator without
	@echo "Starting the service: its log names the address, Ctrl-C stops it ..."
	$(BIN)/meteorograph serve --demo-without-key

test: $(DEV_STAMP) $(CLIENTS_STAMP) lint types  ## everything that CI runs
	$(BIN)/python -m compileall -q src  # tests start many processes, which may not be allowed to write these files
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal

test-fast: $(DEV_STAMP)  ## the unit tests only: seconds
	$(BIN)/python -m pytest tests/unit

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(DEV_STAMP)
	$(BIN)/mypy

audit: $(AUDIT_STAMP)  ## known vulnerabilities of the pinned packages; fails too if it cannot look them up
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/run.txt

sbom: $(AUDIT_STAMP)  ## build/sbom.json: the packages that the service installs, as CycloneDX
	@mkdir -p build
	.venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o build/sbom.json requirements/run.txt

# What to mutate: all packages of [tool.mutmut] in pyproject.toml, or for example: make mutants MUTANTS='meteorograph.model*'
MUTANTS ?=
MUTANT_PROCESSES ?= 2

mutants: $(DEV_STAMP)  ## mutation tests: changes the code bit by bit and looks whether a test fails (docs/testing.md)
	$(BIN)/mutmut run --max-children $(MUTANT_PROCESSES) $(foreach name,$(MUTANTS),'$(name)')
	$(BIN)/mutmut results --all true | $(BIN)/python benchmarks/mutants.py

docs: $(DEV_STAMP)  ## build/site: the documentation as pages that can be read offline
	$(BIN)/zensical build --strict --clean

messages: $(DEV_STAMP)  ## bring the catalogues of all languages up to date with the source (docs/languages.md)
	$(BIN)/python -m meteorograph.i18n.extraction

screenshots: $(DEV_STAMP)  ## docs/img, taken from the demo in a real browser
	$(BIN)/python docs/screenshots.py

bench-clients: $(BENCH_STAMP)
	$(BIN)/python benchmarks/clients.py

lock:  ## pin again what pyproject.toml asks for (needs uv)
	uv pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -q -o requirements/build.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -q -o requirements/run.txt
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes -c requirements/run.txt --custom-compile-command "make lock" -q -o requirements/dev.txt
	uv pip compile pyproject.toml --group dev --group bench --universal --python-version 3.11 --generate-hashes -c requirements/dev.txt --custom-compile-command "make lock" -q -o requirements/bench.txt
	uv pip compile --group pyproject.toml:clients --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -q -o requirements/clients.txt
	uv pip compile --group pyproject.toml:audit --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -q -o requirements/audit.txt

clean:
	rm -rf .venv .venv-audit .venv-clients build dist

.venv/bin/python:
	@echo "Creating .venv with $(PYTHON) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Meteorograph needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 run")'
	$(PYTHON) -m venv .venv

$(RUN_STAMP): requirements/build.txt requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Installing the service's packages into .venv with $(if $(UV),uv,pip) ..."
	$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/run.txt
	@echo "Installing meteorograph itself into .venv ..."
	$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(RUN_STAMP)
	@echo "Installing the tools for tests, types and lint into .venv with $(if $(UV),uv,pip) ..."
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(BENCH_STAMP): requirements/bench.txt $(DEV_STAMP)
	@echo "Installing the packages that the benchmarks compare with into .venv with $(if $(UV),uv,pip) ..."
	$(INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@

$(AUDIT_STAMP): requirements/audit.txt | .venv/bin/python
	$(PYTHON) -m venv .venv-audit
	$(if $(UV),$(UV) pip install --python .venv-audit/bin/python,.venv-audit/bin/python -m pip install --disable-pip-version-check --no-input) --require-hashes -r requirements/audit.txt
	@touch $@

$(CLIENTS_STAMP): requirements/clients.txt | .venv/bin/python
	@echo "Installing the programs of others that tests/clients runs into .venv-clients with $(if $(UV),uv,pip) ..."
	$(PYTHON) -m venv .venv-clients
	$(if $(UV),$(UV) pip install --python .venv-clients/bin/python,.venv-clients/bin/python -m pip install --disable-pip-version-check --no-input) --require-hashes -r requirements/clients.txt
	@touch $@
