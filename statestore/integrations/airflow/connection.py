"""Where the server is: STATESTORE_URL and STATESTORE_TOKEN, or a connection of Airflow's."""

import importlib
import os
from functools import cache
from typing import Any, Final

from statestore.sdk import ConfigurationError, StateStore

CONNECTION: Final = "statestore_default"
"""The connection that is looked for where the environment names no server."""


def state_store(
    conn_id: str | None = None, *, timeout: float = 10.0, retry_seconds: float | None = None
) -> StateStore:
    """The server, one client per process.

    Args:
        conn_id: a connection of Airflow's: host, port, and the token as its password. Left out: what
            STATESTORE_URL or STATESTORE_MODE says, else the connection `statestore_default`.
        timeout: seconds for one try of a request.
        retry_seconds: as for `StateStore`.

    Raises:
        ConfigurationError: neither the environment nor a connection names a server.
    """
    return _opened(conn_id, timeout, retry_seconds)


@cache
def _opened(conn_id: str | None, timeout: float, retry_seconds: float | None) -> StateStore:
    if conn_id is None and (os.environ.get("STATESTORE_URL") or os.environ.get("STATESTORE_MODE")):
        return StateStore(timeout=timeout, retry_seconds=retry_seconds)
    connection = _connection(conn_id or CONNECTION)
    url, token = _url(connection), connection.password
    return StateStore(url, token, timeout=timeout, retry_seconds=retry_seconds)


def _url(connection: Any) -> str:
    """As Airflow's HTTP connections are read: the scheme is in the host, or in the schema, or the type."""
    host = connection.host or ""
    if not host:
        raise ConfigurationError(
            f"The connection {connection.conn_id!r} has no host: set it to the server's URL,"
            " and the password to an API token."
        )
    if "://" not in host:
        kinds = (connection.schema, connection.conn_type)
        host = f"{next((kind for kind in kinds if kind in {'http', 'https'}), 'http')}://{host}"
    return f"{host}:{connection.port}" if connection.port else host


def _connection(conn_id: str) -> Any:
    try:
        return _base_hook().get_connection(conn_id)
    except Exception as error:
        raise ConfigurationError(
            "Set STATESTORE_URL and STATESTORE_TOKEN, or add the connection"
            f" {conn_id!r} to Airflow: type http, the server's URL as host, an API token as password."
            f" ({error})"
        ) from error


def _base_hook() -> Any:
    try:
        return importlib.import_module("airflow.sdk").BaseHook
    except ImportError:  # Airflow 2
        return importlib.import_module("airflow.hooks.base").BaseHook
