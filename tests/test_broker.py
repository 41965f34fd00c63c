"""The embedded broker."""

from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu.connection import Connection

from statestore.broker import Transport
from statestore.celery import app


@pytest.fixture
def channel(tmp_path: Path) -> Any:
    folders = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    options = {**folders, "control_folder": str(tmp_path / "control")}
    with Connection("filesystem://", transport_options=options) as connection:
        assert isinstance(connection.transport, Transport)
        yield connection.channel()


def test_messages_come_in_their_order_and_once(channel: Any, tmp_path: Path) -> None:
    for number in range(3):
        channel._put("statestore", {"number": number})
    assert [channel._get("statestore")["number"] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Empty):
        channel._get("statestore")
    assert list(tmp_path.iterdir()) == []


def test_a_message_is_there_once_it_is_whole(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that looks while it is written, and takes an empty one, would end."""
    write = Path.write_text

    def look_meanwhile(path: Path, text: str) -> int:
        path.touch()
        with pytest.raises(Empty):
            channel._get("statestore")
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", look_meanwhile)
    channel._put("statestore", {"number": 7})
    assert channel._get("statestore") == {"number": 7}


def test_the_workers_app_uses_it() -> None:
    assert app.connection_for_read("filesystem://").get_transport_cls() is Transport
