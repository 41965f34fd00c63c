"""What the documents show is run, literally, and gives what they show."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from statestore.api.errors import STATUS_OF
from statestore.api.openapi.operations import OPERATIONS
from statestore.protocol import ErrorCode
from tests.server import ROOT, Server

REST = ROOT / "docs/rest.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END_OF_BLOCK = "--- end of block ---"


@dataclass
class Block:
    """A block of code, and the output that the document shows below it."""

    language: str
    code: str
    shown: str | None = None


def blocks_of(path: Path, *headings: str) -> list[Block]:
    """The blocks that can be run, of the sections with these headings (none: of all)."""
    found: list[Block] = []
    for section in re.split(r"^(?=## )", path.read_text(), flags=re.MULTILINE):
        if headings and not section.startswith(tuple(f"## {heading}" for heading in headings)):
            continue
        for language, code in _FENCE.findall(section):
            if language in {"sh", "python"}:
                found.append(Block(language, code))
            elif not language and found:
                found[-1].shown = code
    return found


def run(blocks: list[Block], server: Server) -> list[str]:
    """The output of each block; those for the shell share one, as they do for who types along."""
    script = ["set -eu"]
    for block in blocks:
        python = f"{sys.executable} - <<'END_OF_PYTHON'\n{block.code}END_OF_PYTHON\n"
        script += [block.code if block.language == "sh" else python, f"echo; echo '{END_OF_BLOCK}'"]
    environment = {
        **os.environ,
        "STATESTORE_URL": server.url,
        "STATESTORE_TOKEN": server.token,
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.split(f"{END_OF_BLOCK}\n")[:-1]


def fits(output: str, shown: str) -> bool:
    """Whether the output is what is shown, where … stands for anything."""
    parts = (re.escape(part) for part in shown.strip().split("…"))
    return bool(re.fullmatch(".*".join(parts), output.strip()))


@pytest.fixture
def vera(server: Server) -> None:
    """The user who logs in, in the examples."""
    create = (
        "from django.contrib.auth.models import User; User.objects.filter(username='vera').exists()"
    )
    create += " or User.objects.create_user('vera', password='vera-likes-long-ones')"
    server.manage("shell", "--verbosity", "0", "--command", create)


def test_the_examples_of_the_rest_api_give_what_they_show(server: Server, vera: None) -> None:
    blocks = blocks_of(REST)
    for block, output in zip(blocks, run(blocks, server), strict=True):
        assert block.shown is not None, block.code
        assert fits(output, block.shown), f"{block.code}\ngave\n{output}"


def test_the_examples_of_the_readme_run(server: Server) -> None:
    blocks = blocks_of(ROOT / "README.md", "A worker", "The same with curl")
    assert [block.language for block in blocks] == ["python", "sh"]
    python, shell = run(blocks, server)
    assert python.count("loading page") == 10
    assert '"key":"last_page","value":7' in shell
    assert '"code"' not in shell


def test_the_table_of_errors_is_the_one_that_the_server_has() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d{3}) \| [^|]+ \| [^|]+ \|$", REST.read_text(), re.MULTILINE
    )
    documented = {code: int(status) for code, status in rows}
    assert documented == {str(code): int(STATUS_OF[code]) for code in ErrorCode}
    assert len(rows) == len(documented)


def test_the_table_of_requests_is_the_one_that_is_served() -> None:
    rows = re.findall(r"^\| `([A-Z]+ /\S+)` \|", REST.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(OPERATIONS)


def test_the_links_within_lead_somewhere() -> None:
    text = REST.read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
