"""The HTTP client's log has a line for each request; those of the SDK's own are left out of it.

Whoever wants them sets the level of `statestore.sdk` to DEBUG. Other users of the client keep theirs.
"""

import logging
from typing import Final

logger = logging.getLogger(__name__)


class _OwnRequests(logging.Filter):
    """Holds back lines about requests to servers that this process keeps its state in."""

    def __init__(self) -> None:
        super().__init__()
        self.bases: tuple[str, ...] = ()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno > logging.INFO or logger.isEnabledFor(logging.DEBUG):
            return True
        # The method, the URL, …
        arguments = record.args
        is_request = isinstance(arguments, tuple) and len(arguments) > 1
        return not (is_request and str(arguments[1]).startswith(self.bases))  # type: ignore[index]


_own_requests: Final = _OwnRequests()


def keep_out_of_logs(base: str) -> None:
    """Leave out the lines about requests to URLs that begin so."""
    if base not in _own_requests.bases:
        _own_requests.bases += (base,)
    logging.getLogger("httpx").addFilter(_own_requests)
