"""What `import statestore.sdk` gives, and what it loads."""

import json
import subprocess
import sys

import pytest

import statestore.sdk
from tests.server import ROOT


@pytest.mark.parametrize("module", ["statestore.sdk", "statestore.jobs.process"])
def test_it_loads_neither_the_server_nor_what_only_its_use_needs(module: str) -> None:
    script = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    loaded = {name.partition(".")[0] for name in json.loads(shown)}
    unwanted = {"django", "celery", "kombu", "httpx", "rest_framework", "dashboard", "asyncio"}
    assert loaded.isdisjoint(unwanted)
    assert {"statestore.models", "statestore.services"}.isdisjoint(json.loads(shown))


def test_every_public_name_is_there_once_and_in_order() -> None:
    names = statestore.sdk.__all__
    assert len(names) == len(set(names))
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(getattr(statestore.sdk, name) is not None for name in names)
