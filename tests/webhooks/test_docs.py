"""What docs/people.md says of webhooks is so."""

import re
from typing import Any

import pytest

from statestore import services
from statestore.webhooks.events import Event
from tests.receiver import Receiver
from tests.server import ROOT
from tests.webhooks.conftest import Hook

SECTION = (ROOT / "docs" / "people.md").read_text().partition("## Webhooks")[2]


def test_every_type_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", SECTION, re.MULTILINE)) == set(Event)


@pytest.mark.django_db
def test_the_code_that_verifies_works(hook: Hook, receiver: Receiver) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    verify, webhook, seen = names["verify"], hook(), set[str]()
    services.webhook_test(webhook_id=webhook.pk)
    services.send_webhooks()
    (told,) = receiver.received

    assert not verify(webhook.secret, told.headers, told.body + b" ", seen)
    assert not verify(webhook.secret[:-4] + "AAA=", told.headers, told.body, seen)
    assert verify(webhook.secret, told.headers, told.body, seen)
    assert not verify(webhook.secret, told.headers, told.body, seen)
    del told.headers["webhook-timestamp"]
    told.headers["webhook-timestamp"] = "1614265330"
    assert not verify(webhook.secret, told.headers, told.body, set())
