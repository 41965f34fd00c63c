"""Properties for `spark-submit` in a file that only its user can read: all users can read a command line."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PREFIX: Final = "statestore-"
_ESCAPED: Final = str.maketrans(
    {each: f"\\{each}" for each in "\\ :=#!"} | {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
)


@contextmanager
def written(properties: Mapping[str, str], base: Path) -> Iterator[Path]:
    """A file with the properties of `base`, where it is there, and ours, which win; deleted afterwards."""
    told = base.read_text(encoding="utf-8") if base.exists() else ""
    lines = [f"{_escaped(name)}={_escaped(value)}" for name, value in properties.items()]
    lines = [told, "", *lines, ""]  # the empty line ends what `base` may go on with
    with tempfile.NamedTemporaryFile("w", prefix=_PREFIX, encoding="utf-8") as file:  # 0600
        file.write("\n".join(lines))
        file.flush()
        yield Path(file.name)


def defaults_of(command: str, environment: Mapping[str, str]) -> Path | None:
    """The file that `spark-submit` reads where it is given none; None: that cannot be told."""
    variables = {**os.environ, **environment}
    if folder := variables.get("SPARK_CONF_DIR"):
        return Path(folder, "spark-defaults.conf")
    home = variables.get("SPARK_HOME")
    if not home:
        found = shutil.which(command, path=variables.get("PATH"))
        home = str(Path(found).absolute().parent.parent) if found else ""
        if not (
            found and Path(home, "jars").is_dir()
        ):  # another script, which finds Spark its own way
            return None
    return Path(home, "conf", "spark-defaults.conf")


def _escaped(text: str) -> str:
    return str(text).translate(_ESCAPED)
