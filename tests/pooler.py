"""A PgBouncer of its own in front of a test database, which shares connections between transactions."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.missing import missing
from tests.ports import free_port
from tests.postgresql import unprivileged_user

CONNECTIONS = 2  # to the database, for all clients together
_CONFIGURATION = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
"""


@contextlib.contextmanager
def pooled(url: str) -> Iterator[str]:
    """The URL of the same database through PgBouncer."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        missing("PgBouncer", "install pgbouncer")
    known, port = conninfo_to_dict(url), free_port()
    name = known.pop("dbname")
    target = make_conninfo("", **known)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(target=target, port=port, connections=CONNECTIONS))
        user = unprivileged_user() if os.geteuid() == 0 else None
        if user:
            for path in (Path(folder), file):
                os.chown(path, user.pw_uid, user.pw_gid)
        process = subprocess.Popen(
            [program, "--quiet", str(file)], user=user and user.pw_uid, cwd=folder
        )
        try:
            through = f"postgresql://{known.get('user', 'postgres')}@127.0.0.1:{port}/{name}"
            _wait(process, through)
            yield through
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
