"""The head of a Ray cluster, in namespaces of its own: `ray_runner.py PORT RAY FOLDER`.

Ray listens on all interfaces of its host, and leaves processes behind. So it gets a loopback interface and
process ids of its own: nobody else sees it, all of it ends with the first process, and only its REST API is
passed on, from a port of the real loopback interface.
"""

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress

DASHBOARD = 8265
PASS = ["--net", "--pid", "--mount-proc", "--fork", "--kill-child"]


def enter(port: str, *rest: str) -> None:
    """Listen outside, and become a process inside."""
    door = socket.create_server(("127.0.0.1", int(port)))
    door.set_inheritable(True)
    options = PASS if os.geteuid() == 0 else [*PASS, "--map-root-user"]
    inside = [sys.executable, "-I", __file__, "inside", str(door.fileno()), *rest]
    os.execvp("unshare", ["unshare", *options, *inside])


def inside(door: str, ray: str, folder: str) -> int:
    """Run the head; its exit status."""
    with socket.socket() as any_socket:
        up = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
    head = [ray, "start", "--head", "--block", "--disable-usage-stats", f"--temp-dir={folder}"]
    head += ["--node-ip-address=127.0.0.1", f"--dashboard-port={DASHBOARD}", "--num-cpus=64"]
    process = subprocess.Popen([*head, "--object-store-memory=80000000"])
    asyncio.run(serve(socket.socket(fileno=int(door)), process))  # noqa: TID251 - a process of its own
    return process.wait()


async def serve(door: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """Pass connections on until the head has ended."""
    async with await asyncio.start_server(pass_on, sock=door):
        while process.poll() is None:
            await asyncio.sleep(0.2)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        answers, requests = await asyncio.open_connection("127.0.0.1", DASHBOARD)
    except OSError:
        writer.close()
        return
    await asyncio.gather(copy(reader, requests), copy(answers, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction."""
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    with suppress(OSError):
        writer.close()


if __name__ == "__main__":
    if sys.argv[1] == "inside":
        sys.exit(inside(*sys.argv[2:]))
    enter(*sys.argv[1:])
