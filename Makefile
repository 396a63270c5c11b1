# The habits of this project. `make demo` and `make test` set themselves up.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Tests that run side by side: most wait for servers.
JOBS ?= 3
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup demo test lint protos docs bench bench-loaders clean

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
	# Tests start some thousand processes, and where Python may write no bytecode each compiles anew.
	$(BIN)/python -m compileall -q protos client server
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## the main job, end to end, on real records
	$(BIN)/python examples/demo.py

test: setup  ## every test, with coverage of the modules that hold secrets
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=
	$(BIN)/python -m coverage report --fail-under=100 --show-missing

lint: setup  ## style, types, layers, protos
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python protos/generate.py --check

protos: setup  ## generate the Python code of the .proto files
	$(BIN)/python protos/generate.py

docs: setup  ## write docs/reference/cli.md from the programs' help
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
	rm -rf $(VENV) $(VENV)-bench .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
