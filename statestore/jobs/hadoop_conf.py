"""Where a cluster's ResourceManagers are, from the `yarn-site.xml` that its clients have."""

import os
import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from statestore.sdk.errors import StatestoreError

_VARIABLES: Final = ("YARN_CONF_DIR", "HADOOP_CONF_DIR")


def resource_managers(folder: str | os.PathLike[str] | None = None) -> str:
    """The addresses of their web services, with commas: `http://rm1:8088,http://rm2:8088`.

    Args:
        folder: of `yarn-site.xml`; by default what YARN_CONF_DIR or HADOOP_CONF_DIR names.
    """
    if folder is None:
        named = [os.environ[name] for name in _VARIABLES if os.environ.get(name)]
        if not named:
            raise StatestoreError(
                "Where is the ResourceManager? Set HADOOP_CONF_DIR, or say resource_manager='http://…:8088'."
            )
        folder = named[0]
    file = Path(folder) / "yarn-site.xml"
    properties = _properties(file)
    scheme, kind, port = "http", "webapp", 8088
    if properties.get("yarn.http.policy") == "HTTPS_ONLY":
        scheme, kind, port = "https", "webapp.https", 8090
    ids = properties.get("yarn.resourcemanager.ha.rm-ids", "")
    names = [f".{name.strip()}" for name in ids.split(",") if name.strip()] or [""]
    found = []
    for name in names:
        host = properties.get(f"yarn.resourcemanager.hostname{name}")
        default = f"{host}:{port}" if host else None
        address = properties.get(f"yarn.resourcemanager.{kind}.address{name}", default)
        if address is None:
            raise StatestoreError(
                f"{file} has neither yarn.resourcemanager.hostname{name} nor"
                f" yarn.resourcemanager.{kind}.address{name}: say resource_manager='{scheme}://…:{port}'."
            )
        found.append(f"{scheme}://{_expanded(address, properties)}")
    return ",".join(found)


def _properties(file: Path) -> dict[str, str]:
    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 - the cluster's own file
    except (OSError, ElementTree.ParseError) as problem:
        raise StatestoreError(f"{file} cannot be read: {problem}") from None
    pairs = [(each.findtext("name"), each.findtext("value")) for each in root.iter("property")]
    return {name.strip(): (value or "").strip() for name, value in pairs if name}


def _expanded(text: str, properties: dict[str, str]) -> str:
    """Its `${names}` are properties, or variables: `${env.NAME}`."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("env."):
            return os.environ.get(name.removeprefix("env."), found[0])
        return properties.get(name, found[0])

    return re.sub(r"\$\{([^}]+)}", value, text)
