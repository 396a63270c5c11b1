# The habits of this project. `make demo` and `make test` set themselves up.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Tests that run side by side.
JOBS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
# The lines of the modules that hold secrets are proved by these; measuring the others as well would
# make them slower by a quarter. They run by themselves: coverage that pauses sets trace functions
# anew, and a thread that starts at that moment dies of it.
MEASURED := tests/attacks \
    $(addprefix tests/unit/,crypto history home keystore process protocol owner/manage owner/push) \
    $(wildcard $(addprefix tests/unit/owner/deidentify/test_,actions.py card_tokens.py columns.py \
        pseudonyms.py shift.py tokens.py)) \
    $(wildcard tests/integration/test_eras*.py) \
    $(addprefix tests/integration/test_,keystores.py policies.py push.py reversing.py rotation.py)
# Where Python may write no bytecode, each worker compiles all tests, and each program what it imports.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test check unit lint protos docs bench bench-loaders clean test-system compiled

setup: $(VENV)/.everything  ## everything that tests, lint and benches need

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[relay,demo]'
	@touch $@

$(VENV)/.everything: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[relay,demo,recovery,postgresql,torch,owner,huggingface,ray,metrics,pkcs11,openbao,awskms,gcpkms,azurekeyvault,keyring,dev]'
	# Tests compare with it; it pins what it needs to single versions, so it cannot be asked for.
	$(PIP) --no-deps pycanon==1.3.6
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## the main job, end to end, on real records
	$(BIN)/python examples/demo.py

test: setup compiled  ## every test, with coverage of the modules that hold secrets
	$(PYTEST) --cov --cov-report= $(MEASURED)
	$(PYTEST) $(addprefix --ignore=,$(MEASURED)) tests
	$(BIN)/coverage json -q -o .coverage.json
	$(BIN)/python tests/coverage_floor.py .coverage.json

check: setup compiled  ## what to run before each commit: lint, and unit and property tests beside it
	+$(MAKE) --no-print-directory -j 2 -O lint unit

unit: setup compiled  ## unit and property tests
	$(PYTEST) tests/unit

test-system:  ## Debian's packages that some tests need
	@missing="$$(python3 tests/services/programs.py)"; if [ -n "$$missing" ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; \
	fi

compiled: setup
	@$(BIN)/python -m compileall -q protos client server tests/startup

lint: setup  ## style, types, layers, protos
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python protos/generate.py --check

protos: setup  ## generate the Python code of the .proto files
	$(BIN)/python protos/generate.py

docs: setup  ## write docs/reference from the programs' help and the docstrings
	$(BIN)/python docs/reference/generate.py

bench: setup  ## ratios to raw gRPC, to Arrow, to pyarrow and to replayed histories, on this machine
	$(BIN)/python bench/transfer.py
	$(BIN)/python bench/records.py
	$(BIN)/python bench/histories.py
	$(BIN)/python bench/sources.py
	$(BIN)/python bench/deidentify.py --text
	$(BIN)/python bench/startup.py

bench-loaders: $(VENV)-bench/.done  ## the same records through other loaders; a table and a plot
	$(VENV)-bench/bin/python bench/loaders/compare.py --plot docs/images/loaders.png

$(VENV)-bench/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench .coverage .coverage.json .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
