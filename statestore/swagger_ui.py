"""Where the static files of Swagger UI are: the two that its page needs, and their licence.

The package that brings them holds 9 MB; as an installed app, all of it would be published.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import drf_spectacular_sidecar
from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage
from django.core.files.storage import FileSystemStorage

PREFIX: Final = "swagger-ui"
FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE")
_DIRECTORY: Final = (
    Path(drf_spectacular_sidecar.__file__).parent / "static/drf_spectacular_sidecar/swagger-ui-dist"
)


class SwaggerUI(BaseFinder):
    """Finds `swagger-ui/…` in the installed package."""

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Nothing can be configured."""
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """One of the files."""
        found = [str(_DIRECTORY / name) for name in FILES if path == f"{PREFIX}/{name}"]
        return found if find_all else next(iter(found), [])

    def list(self, ignore_patterns: Any) -> Iterator[Any]:
        """All of them, for collectstatic."""
        storage = FileSystemStorage(location=_DIRECTORY)
        storage.prefix = PREFIX  # type: ignore[attr-defined]  # staticfiles looks for it
        return ((name, storage) for name in FILES)
