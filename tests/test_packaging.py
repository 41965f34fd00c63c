"""The wheel: for a worker it brings the HTTP client alone; for a server it has all that Django needs."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.server import ROOT
from tests.wheel import build_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def worker(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment, where the wheel and what it requires are installed.

    Without a package registry: what it requires is copied from the environment of the tests.
    """
    folder = tmp_path_factory.mktemp("worker")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, timeout=60)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in required_by(["httpx"]):
        copy(name, packages)
    return folder / "bin"


def required_by(names: list[str]) -> set[str]:
    """These distributions, and those that they require."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            requirements = map(Requirement, distribution(name).requires or [])
            names += [
                requirement.name
                for requirement in requirements
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            ]
    return found


def copy(name: str, packages: Path) -> None:
    installed = distribution(name)
    for file in installed.files or []:
        if ".." not in file.parts:
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(installed.locate_file(file)), target)


def run(*command: str | Path, **variables: str) -> str:
    """Run a program where nothing of the source can be seen; what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {n: v for n, v in environment.items() if not n.startswith("STATESTORE_")}
    return subprocess.run(
        command, env={**environment, **variables}, cwd="/", check=True, stdout=subprocess.PIPE,
        text=True, timeout=60,
    ).stdout  # fmt: skip


def test_the_wheel_has_what_each_side_needs_and_nothing_of_the_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
    for folder, prefix in (("templates", "dashboard/templates/"), ("statestore/migrations", None)):
        files = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".html", ".py"}]
        assert files
        for path in files:
            inside = prefix + str(path.relative_to(ROOT / folder)) if prefix else None
            assert (inside or str(path.relative_to(ROOT))) in names
    assert "statestore/py.typed" in names
    assert any(name.startswith("dashboard/static/") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"statestore", "dashboard"}
    lines = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    always = [line for line in lines if "extra ==" not in line]
    assert len(always) == 1
    assert "httpx" in always[0]


def test_a_worker_has_the_http_client_and_no_server(worker: Path) -> None:
    script = """
import importlib.util, statestore.sdk, statestore.jobs.process
for name in ("django", "celery", "rest_framework", "granian", "psycopg"):
    assert importlib.util.find_spec(name) is None, name
import httpx
"""
    run(worker / "python", "-W", "error", "-c", script)


def test_the_import_brings_nothing_that_only_its_use_needs(worker: Path) -> None:
    script = "import sys; import statestore.sdk; print(*sys.modules)"
    loaded = set(run(worker / "python", "-c", script).split())
    assert "statestore.sdk" in loaded
    assert not loaded & {"httpx", "httpcore", "anyio", "idna", "certifi"}


def test_the_command_and_a_task_without_a_server_run_there(worker: Path) -> None:
    assert run(worker / "statestore", "--version").strip()
    task = {"STATESTORE_MODE": "off", "STATESTORE_TASK": "a/b/c"}
    assert run(worker / "statestore", "get", "key", "--default", "1", **task) == "1\n"
    assert run(worker / "statestore", "run", "--", "echo", "hello", **task) == "hello\n"


def test_a_server_finds_its_own_templates_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    names = [
        str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.html")
    ]
    script = f"""
import django
django.setup()
from django.template.loader import get_template
for name in {names}:
    origin = get_template(name).origin.name
    assert origin == {str(tmp_path)!r} + "/dashboard/templates/" + name, origin
"""
    variables = {
        "PYTHONPATH": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "statestore.settings",
        "STATESTORE_VAR_DIR": str(tmp_path / "var"),
        "SECRET_KEY": "no secret, only long and varied enough for a test of templates",
    }
    run(sys.executable, "-c", script, **variables)
