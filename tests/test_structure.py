"""Promises about the code itself that no linter keeps."""

import re
import subprocess
import sys

import pytest

from tests.server import ROOT


@pytest.mark.parametrize("module", ["statestore.sdk", "statestore.protocol", "statestore.jobs"])
def test_what_workers_import_loads_no_django_and_no_celery(module: str) -> None:
    script = f"""
import sys, {module}
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"django", "celery", "kombu",
    "rest_framework", "dashboard"}}))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"


def test_the_package_itself_imports_nothing() -> None:
    script = (
        "import sys; before = set(sys.modules); import statestore; print(set(sys.modules) - before)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "{'statestore'}"


def variables_read() -> set[str]:
    """The environment variables that the server, the launcher and the SDK read."""
    settings = (ROOT / "statestore" / "settings.py").read_text()
    found = set(re.findall(r"_env\.\w+\(\s*\"([A-Z_]+)\"", settings))
    for path in (ROOT / "statestore" / "sdk").glob("*.py"):
        found |= set(re.findall(r"\"(STATESTORE_[A-Z_]+)\"", path.read_text()))
    return found | {"PORT"}


def test_this_file_finds_the_variables_that_are_read() -> None:
    assert {"DATABASE_URL", "STATESTORE_SWEEP_SECONDS", "STATESTORE_URL"} <= variables_read()


def test_the_settings_table_of_the_readme_is_complete_and_true() -> None:
    rows = re.findall(r"^\| (`[A-Z_]+`[^|]*) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}

    assert documented == variables_read()


def test_no_committed_file_names_a_package_registry() -> None:
    locks = "".join(path.read_text() for path in (ROOT / "requirements").iterdir())

    assert not re.search(r"index-url|https?://|file://", locks)
