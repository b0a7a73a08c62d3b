# Two commands on a fresh machine: `make run` and `make test`. Each does its own set-up in .venv.
#   make run ARGS="--headless --duration 20"     arguments go to the run
#   make test ARGS="tests/irp -k meter"          arguments go to pytest
#   make bench ARGS="--quick"                    what SAGE costs beside Ray, dora, py_trees
#   make PYTHON=python3.10 test                  another Python (3.10 to 3.12)

.PHONY: run test bench check clean help
.DEFAULT_GOAL := help

run:
	@scripts/setup run
	@.venv/bin/python -m sage.run $(ARGS)

test:
	@scripts/setup test
	@scripts/check && checked=yes || checked=; \
	.venv/bin/python -m pytest -q $(ARGS) && [ "$$checked" ]

bench:
	@scripts/setup bench
	@.venv/bin/python -m benchmarks.overhead --peers $(ARGS)

check:
	@scripts/setup test
	@scripts/check

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -5

export PYTHON
