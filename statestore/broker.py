"""The embedded broker: messages as files of a folder, each of which appears whole.

kombu's own transport makes the file and then writes it: a worker that looked between the two read an empty
message, and ended.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A folder in which a message has its name once it is written."""

    def _put(self, queue: Any, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as kombu itself
        folder = Path(self.data_folder_out)
        name = f"{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"  # read by name, the oldest first
        part = folder / f".{name}.part"
        part.write_text(dumps(payload))  # type: ignore[no-untyped-call]
        part.replace(folder / name)


class Transport(filesystem.Transport):
    """The same as kombu's, but for the channel."""

    Channel = Channel


def use_whole_files() -> None:
    """Let `filesystem://` mean this transport, in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
