# make run     start Statestore here: web, worker, beat, a demo (PORT=8000)
# make test    everything that a change must pass, on PostgreSQL and SQLite (ARGS="-k sweep")
# make check   the part without tests: ruff, mypy, import-linter, migrations, settings
# make format  rewrite the code as ruff likes it
# make lock    renew requirements/*.txt from pyproject.toml
.PHONY: run test check format lock install-dev install-server

PYTHON_IN_VENV := .venv/bin/python

run: install-server
	@exec $(PYTHON_IN_VENV) -m statestore.launcher $(ARGS)

test: check
	@exec $(PYTHON_IN_VENV) -m tests.run $(ARGS)

# Settings that a deployment has, for the checks that only one can pass.
DEPLOYED := STATESTORE_HTTPS=true STATESTORE_VAR_DIR=.venv/var DATABASE_URL= \
	SECRET_KEY="no secret, only long and varied enough to pass the checks of a deployment"

check: install-dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	$(DEPLOYED) $(PYTHON_IN_VENV) manage.py makemigrations --check --dry-run
	$(DEPLOYED) $(PYTHON_IN_VENV) manage.py check --deploy --fail-level WARNING

format: install-dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# What a package needs is resolved once for all systems and Pythons, and pinned by hash.
LOCK := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml

lock: install-dev
	@test -x .venv-lock/bin/uv || { $(PYTHON_IN_VENV) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv; }
	$(LOCK) $(LOCK_ARGS) --extra server -o requirements/server.txt
	$(LOCK) $(LOCK_ARGS) --extra server --group test --group lint -c requirements/server.txt -o requirements/dev.txt

install-dev:
	@sh requirements/install.sh dev

install-server:
	@sh requirements/install.sh server
