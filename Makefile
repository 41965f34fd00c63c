# make run     start Statestore here: web, worker, beat, a demo (PORT=8000)
# make test    everything that a change must pass, on PostgreSQL and SQLite (ARGS="-k sweep")
#              (STATESTORE_TEST_PICTURES=folder: with pictures of the pages)
# make test-airflow   with a real Airflow 3.3 and 2.10, and Prefect, which are installed once, below ~/.cache
# make test-airflow-engines   Airflow 3.3's own Spark operator beside ours, on a real Spark
# make engines        install the external systems that tests run: apt (as root), and ~/.cache (ARGS="kubernetes ray": those too)
# make test-engines   every job class on its real system (ARGS="-k slurm")
# make bench   what docs/performance.md says, measured again (ARGS="requests sdk"); needs wrk
# make bench-quick   the same in minutes, without Airflow
# make check   the part without tests: ruff, mypy, import-linter, migrations, settings
# make format  rewrite the code as ruff likes it
# make lock    renew requirements/*.txt from pyproject.toml
.PHONY: run test test-airflow test-airflow-engines engines test-engines bench bench-quick check format lock install-dev install-server

PYTHON_IN_VENV := .venv/bin/python

run: install-server
	@exec $(PYTHON_IN_VENV) -m statestore.launcher $(ARGS)

test: check
	@exec $(PYTHON_IN_VENV) -m tests.run $(ARGS)

test-airflow: install-dev
	@$(PYTHON_IN_VENV) -m pytest --airflow -n 2 --dist loadfile tests/integrations $(ARGS)

test-airflow-engines: install-dev
	@$(PYTHON_IN_VENV) -m pytest --airflow --engines -n 0 tests/integrations $(ARGS)

bench: install-dev
	@$(PYTHON_IN_VENV) -m tests.benchmarks $(ARGS)

bench-quick: install-dev
	@$(PYTHON_IN_VENV) -m tests.benchmarks --quick $(ARGS)

engines: install-dev
	@$(PYTHON_IN_VENV) -m tests.engines $(ARGS)

test-engines: install-dev
	@$(PYTHON_IN_VENV) -m pytest --engines -n 3 --dist loadfile tests $(ARGS)

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
COMPILE := .venv-lock/bin/uv pip compile --quiet --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml
LOCK := $(COMPILE) --universal
ENGINE := $(filter-out pyproject.toml,$(COMPILE))

lock: install-dev
	@test -x .venv-lock/bin/uv || { $(PYTHON_IN_VENV) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv; }
	$(LOCK) $(LOCK_ARGS) --extra server -o requirements/server.txt
	$(LOCK) $(LOCK_ARGS) --extra server --group test --group lint -c requirements/server.txt -o requirements/dev.txt
	printf '%s\n' apache-airflow==3.3.2 apache-airflow-providers-apache-spark asyncpg psycopg2-binary | $(LOCK) $(LOCK_ARGS) - -o requirements/airflow-3.3.txt
	echo "apache-airflow==2.10.5" | $(COMPILE) --python-platform linux $(LOCK_ARGS) - -o requirements/airflow-2.10.txt
	echo "apache-flink-libraries==2.3.0" | $(ENGINE) $(LOCK_ARGS) - -o requirements/engines-flink.txt
	echo "kubernetes==37.0.1" | $(ENGINE) $(LOCK_ARGS) -c requirements/dev.txt - -o requirements/engines-kubernetes.txt
	echo "moto[batch,server]==5.2.5 boto3" | tr ' ' '\n' | $(ENGINE) $(LOCK_ARGS) - -o requirements/engines-moto.txt
	echo "ray[default]==2.60.0" | $(ENGINE) $(LOCK_ARGS) - -o requirements/engines-ray.txt
	echo "prefect==3.9.1" | $(LOCK) $(LOCK_ARGS) - -o requirements/prefect-3.txt
	echo "pyspark==4.3.0" | $(ENGINE) $(LOCK_ARGS) - -o requirements/engines-spark.txt

install-dev:
	@sh requirements/install.sh dev

install-server:
	@sh requirements/install.sh server
