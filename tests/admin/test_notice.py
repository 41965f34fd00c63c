"""The notice is on every page of the admin site."""

from django.test import Client

from statestore import services
from statestore.models import Entry, SweepRun
from tests.dashboard.data import put

NOTICE = "<strong>Values are stored unencrypted:</strong>"


def test_the_notice_is_on_every_page(admin_client: Client, client: Client) -> None:
    put("a", 1)
    services.sweep_expired()
    entry, sweep = Entry.objects.get(), SweepRun.objects.get()
    paths = [
        "",
        "auth/user/",
        "auth/user/add/?_popup=1",
        "password_change/",
        "statestore/entry/",
        f"statestore/entry/{entry.pk}/change/",
        f"statestore/taskinstance/{entry.task_instance_id}/change/",
        f"statestore/sweeprun/{sweep.pk}/change/",
        "statestore/apitoken/add/",
        "statestore/webhook/add/",
    ]
    for path in paths:
        answer = admin_client.get(f"/admin/{path}")
        assert answer.status_code == 200, path
        assert answer.content.decode().count(NOTICE) == 1, path
    assert NOTICE in client.get("/admin/login/").content.decode()
