"""Where webhooks may go: nobody makes this server call its own network by naming a URL."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import httpcore
import httpx

URL_MAX: Final = 2000  # characters
_NAT64: Final = ip_network("64:ff9b::/96")
_V4_IN_NAT64: Final = 2**32 - 1


class RefusedAddressError(Exception):
    """Where a webhook would go is not allowed."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a deployment allows beside https to public addresses."""

    http: bool = False
    private: bool = False


def check_url(text: str, allowed: Allowed) -> httpx.URL:
    """The URL, taken apart.

    Raises:
        RefusedAddressError: a webhook cannot or must not go there; says what to change.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise RefusedAddressError("This is no URL: begin with https://") from None
    if url.scheme not in {"http", "https"} or not url.host or len(text) > URL_MAX:
        raise RefusedAddressError(f"It must be https://host/path, of at most {URL_MAX} characters.")
    if url.scheme == "http" and not allowed.http:
        raise RefusedAddressError(
            "It must begin with https:// (STATESTORE_WEBHOOK_HTTP=true allows http)."
        )
    if url.port is not None and not 0 < url.port < 65536:
        raise RefusedAddressError("Its port must be 1 to 65535.")
    if url.userinfo:
        raise RefusedAddressError("It must hold no user and password: sign what is sent instead.")
    if not allowed.private and (_is_local_name(url.host) or not _is_public_if_literal(url.host)):
        raise _not_public(url.host)
    return url


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, also where an IPv6 address wraps an IPv4 one."""
    ip = ip_address(address.partition("%")[0])
    inner = _wrapped(ip) if isinstance(ip, IPv6Address) else None
    return ip.is_global and not ip.is_multicast and (inner is None or is_public(str(inner)))


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & _V4_IN_NAT64)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def _is_public_if_literal(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:  # a name: looked up, and checked, at every try
        return True


def _is_local_name(host: str) -> bool:
    return host.rstrip(".").lower().rpartition(".")[2] == "localhost"


def _not_public(host: str) -> RefusedAddressError:
    return RefusedAddressError(
        f"{host} is no public address (STATESTORE_WEBHOOK_PRIVATE=true allows private ones)."
    )


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked: the very ones, so that no second look-up differs."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers.

        Raises:
            RefusedAddressError: one of them is not allowed.
            httpcore.ConnectError: there is none, or none answers.
        """
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError(f"the name {host} is not known") from None
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        if not self._allowed.private and not all(map(is_public, addresses)):
            raise _not_public(host)
        return addresses
