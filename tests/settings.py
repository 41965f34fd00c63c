"""The settings of the tests: Statestore's own, in an environment that touches nobody's data.

`DATABASE_URL` chooses the database server (unset: SQLite, a file in WAL mode as in production); the
databases themselves are made for the run, and deleted after it.
"""

import atexit
import os
import shutil
import tempfile

if "STATESTORE_TEST_DIR" not in os.environ:  # once a run; its worker processes inherit it
    os.environ["STATESTORE_TEST_DIR"] = tempfile.mkdtemp(prefix="statestore-test-")
    atexit.register(shutil.rmtree, os.environ["STATESTORE_TEST_DIR"], ignore_errors=True)
TEST_DIR = os.environ["STATESTORE_TEST_DIR"]
os.environ["STATESTORE_VAR_DIR"] = f"{TEST_DIR}/var"
os.environ["SECRET_KEY"] = "only-tests-know-this-key-" + "x" * 40
os.environ.setdefault("STATESTORE_LOG_LEVEL", "WARNING")
# Which broker a test uses is said by tests/brokers.py, never by accident.
os.environ.setdefault("STATESTORE_TEST_BROKER", os.environ.pop("CELERY_BROKER_URL", ""))

from statestore.settings import *  # noqa: E402, F403 - everything but what follows
from statestore.settings import DATABASES  # noqa: E402

_run = TEST_DIR.rpartition("-")[2].lower()
DATABASES["default"]["TEST"] = {
    "NAME": f"{TEST_DIR}/test.sqlite3"
    if DATABASES["default"]["ENGINE"].endswith("sqlite3")
    else f"test_statestore_{_run}"
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and safe enough here
