"""Webhooks go to the internet alone, unless a setting says otherwise; looked at when they connect."""

import asyncio
import shutil
import socket
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from statestore import services
from statestore.webhook_models import WebhookDelivery
from statestore.webhooks.addresses import Allowed, RefusedAddressError, check_url, is_public
from statestore.webhooks.sending import _ssl_context
from tests.missing import missing
from tests.receiver import Receiver, receiving
from tests.webhooks.conftest import Hook
from tests.webhooks.test_sending import due


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_these_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_these_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must be https://host/path"),
        ("https:///path", "must be https://host/path"),
        ("nonsense", "must be https://host/path"),
        ("https://[::1", "no URL"),
        ("https://example.com:99999/", "port must be 1 to 65535"),
        ("https://user:word@example.com/", "no user and password"),
        ("https://127.0.0.1/", "127.0.0.1 is no public address"),
        ("https://[::ffff:10.0.0.1]/", "is no public address"),
        ("https://169.254.169.254/latest/meta-data", "is no public address"),
        ("https://localhost/", "localhost is no public address"),
        ("https://a.localhost./", "is no public address"),
        ("https://example.com/" + "x" * 2000, "at most 2000"),
    ],
)
def test_a_url_is_refused_with_a_remedy(url: str, says: str) -> None:
    with pytest.raises(RefusedAddressError, match=says.replace("[", r"\[")):
        check_url(url, Allowed())


def test_settings_allow_more() -> None:
    assert check_url("https://hooks.example.com/a?b=c", Allowed()).host == "hooks.example.com"
    check_url("http://example.com/", Allowed(http=True))
    check_url("https://127.0.0.1/", Allowed(private=True))


class Names:
    """What names mean, and how often they were looked up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
        self.names, self.asked = names, list[str]()
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", self._look_up())

    def _look_up(self) -> Any:
        real = asyncio.BaseEventLoop.getaddrinfo

        async def getaddrinfo(loop: Any, host: Any, port: int, **options: Any) -> Any:
            known = self.names.get(str(host).partition(".")[0])
            if known is None:
                return await real(loop, host, port, **options)
            self.asked.append(host)
            if not known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            # another answer each time, as of a name server that rebinds
            address = known.pop(0) if len(known) > 1 else known[0]
            return [(2, 1, 6, "", (address, port))]

        return getaddrinfo


def certificate_for(name: str, folder: Path) -> Path:
    """A certificate that signs itself, with its key, in one file."""
    program = shutil.which("openssl")
    if program is None:
        missing("OpenSSL's command", "install openssl")
    key, path = folder / "key.pem", folder / "certificate.pem"
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext"]
    command += [f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(key.read_text() + path.read_text())
    return path


@pytest.mark.django_db
class TestConnections:
    def port(self, receiver: Receiver) -> int:
        return int(receiver.url.rpartition(":")[2].partition("/")[0])

    def said(self) -> str:
        return str(WebhookDelivery.objects.get().said)

    def test_a_name_that_means_a_private_address_is_refused(
        self, hook: Hook, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.STATESTORE_WEBHOOK_PRIVATE = False
        Names(monkeypatch, inner=["127.0.0.1"])
        due(hook(url=f"http://inner.example.com:{self.port(receiver)}/hook"))
        services.send_webhooks()
        assert self.said() == (
            "inner.example.com is no public address"
            " (STATESTORE_WEBHOOK_PRIVATE=true allows private ones)."
        )
        assert receiver.received == []

    def test_the_address_that_was_checked_is_the_one_that_is_called(
        self, hook: Hook, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "statestore.webhooks.addresses.is_public",
            lambda address: ip_address(address) == ip_address("127.0.0.1"),
        )
        settings.STATESTORE_WEBHOOK_PRIVATE = False
        names = Names(monkeypatch, rebinds=["127.0.0.1", "127.0.0.2"])
        due(hook(url=f"http://rebinds.example.com:{self.port(receiver)}/hook"))
        assert services.send_webhooks() == 1
        assert names.asked == ["rebinds.example.com"]
        assert receiver.received[0].headers["Host"] == (
            f"rebinds.example.com:{self.port(receiver)}"
        )
        due(hook("again", url=f"http://rebinds.example.com:{self.port(receiver)}/hook"))
        assert services.send_webhooks() == 0  # now it means 127.0.0.2, and is looked up again

    def test_http_is_refused_when_the_setting_has_gone(
        self, hook: Hook, receiver: Receiver, settings: Any
    ) -> None:
        due(hook())
        settings.STATESTORE_WEBHOOK_HTTP = False
        services.send_webhooks()
        assert self.said().startswith("It must begin with https://")
        assert receiver.received == []

    def test_a_name_that_nobody_knows_is_a_failure(
        self, hook: Hook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Names(monkeypatch, nobody=[])
        due(hook(url="https://nobody.example.com/"))
        services.send_webhooks()
        assert self.said() == "no answer: the name nobody.example.com is not known"

    def test_over_https_the_certificate_must_be_of_the_name_in_the_url(
        self, hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
    ) -> None:
        certificate = certificate_for("hooks.example.com", tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # whom this process trusts
        Names(monkeypatch, hooks=["127.0.0.1"], other=["127.0.0.1"])
        _ssl_context.cache_clear()
        try:
            with receiving(certificate=certificate) as secure:
                for name in ("hooks", "other"):
                    url = f"https://{name}.example.com:{self.port(secure)}/hook"
                    due(hook(name, url=url))
                assert services.send_webhooks() == 1
        finally:
            _ssl_context.cache_clear()
        assert len(secure.received) == 1
        waiting = WebhookDelivery.objects.get(state="waiting")
        assert str(waiting.webhook) == "other"
        assert "CERTIFICATE_VERIFY_FAILED" in waiting.said

    def test_over_https_a_receiver_without_a_certificate_is_refused(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        due(hook(url=receiver.url.replace("http:", "https:")))
        assert services.send_webhooks() == 0
        assert "SSL" in self.said()
        assert receiver.received == []
