"""The page of one task instance."""

import shlex
from urllib.parse import unquote

from django.contrib.auth.models import Permission, User
from django.test import Client

from dashboard.snippets import curl_read
from statestore import services
from statestore.protocol import NEVER_EXPIRE, TaskScope
from tests.dashboard.data import SCOPE, id_of, put


def test_every_key_is_shown_with_its_type_and_version(viewing: Client) -> None:
    services.attempt_start(scope=SCOPE)
    put("progress", {"current": 12, "total": 50})
    put("job_id", "app-42", expiry=NEVER_EXPIRE)
    put("job_id", "app-43", expiry=NEVER_EXPIRE)
    html = viewing.get(f"/t/{id_of()}/").content.decode()
    assert '<span class="js">&quot;app-43&quot;</span>' in html
    assert "version 2" in html
    assert "by token worker" in html
    assert "object, 2 fields" in html
    assert "never" in html
    assert "in 30 days" in html
    assert '<span id="big" data-watch>24</span>' in html


def test_a_long_value_is_folded(viewing: Client) -> None:
    put("rows", list(range(2000)))
    assert '<details class="fold"' in viewing.get(f"/t/{id_of()}/").content.decode()


def test_a_task_without_keys_says_so(viewing: Client) -> None:
    services.attempt_start(scope=SCOPE)
    html = viewing.get(f"/t/{id_of()}/").content.decode()
    assert "They were cleared or have expired" in html


def test_an_unknown_task_is_not_found(viewing: Client) -> None:
    for number in (1, 2**63, 10**30):
        answer = viewing.get(f"/t/{number}/")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()


def test_only_who_may_clear_is_led_to_the_admin_site(viewing: Client, viewer: User) -> None:
    put("progress", 1)
    path = f"/t/{id_of()}/"
    assert "Clear keys" not in viewing.get(path).content.decode()
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    html = viewing.get(path).content.decode()
    assert f"/admin/statestore/entry/?task_instance__id__exact={id_of()}" in html


def test_the_curl_command_survives_any_name() -> None:
    scope = TaskScope("it's", "a/b c", "$(x)", 3)
    words = shlex.split(curl_read("http://host/", scope, "k&'\"?").replace("\\\n", " "))
    assert words[0] == "curl"
    path, _, query = words[-1].partition("?")
    assert unquote(path).endswith("/dags/it's/dagRuns/a/b c/taskInstances/$(x)/state-store/k&'\"?")
    assert query == "map_index=3"
