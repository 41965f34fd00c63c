"""The work that the demo checkpoints: verify every installed file against its package's RECORD."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import distributions
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file that a package installed, with what its RECORD says of it."""

    package: str
    path: Path
    sha256: str  # as in RECORD: urlsafe base64 without padding
    size: int | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What is known after a number of files: small enough to be a checkpoint."""

    name: str = ""
    """The package that was worked on last."""
    files: int = 0
    bytes: int = 0
    wrong: int = 0
    digest: str = ""
    """Of all files so far and their order: equal only where each was verified exactly once."""

    def after(self, file: RecordedFile) -> "Verified":
        """One file further."""
        content = file.path.read_bytes() if file.path.is_file() else b""
        found = hashlib.sha256(content).digest()
        recorded = base64.urlsafe_b64encode(found).decode().rstrip("=")
        right = recorded == file.sha256 and file.size in (None, len(content))
        return replace(
            self,
            name=file.package,
            files=self.files + 1,
            bytes=self.bytes + len(content),
            wrong=self.wrong + (not right),
            digest=hashlib.sha256(self.digest.encode() + found).hexdigest(),
        )

    def to_value(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)

    @classmethod
    def from_value(cls, value: dict[str, Any] | None) -> "Verified":
        """From its JSON form; None: the beginning."""
        return cls(**value) if value else cls()


def recorded_files() -> list[RecordedFile]:
    """Every installed file that a RECORD has a SHA-256 of, in an order that stays the same."""
    return sorted(_recorded_files(), key=lambda file: (file.package.lower(), str(file.path)))


def _recorded_files() -> Iterator[RecordedFile]:
    for distribution in distributions():
        name = f"{distribution.name} {distribution.version}"  # each of the two parses METADATA
        for file in distribution.files or ():
            if file.hash is not None and file.hash.mode == "sha256":
                yield RecordedFile(name, Path(str(file.locate())), file.hash.value, file.size)
