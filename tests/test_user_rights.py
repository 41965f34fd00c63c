"""Users through groups and permissions: over the API, on the pages, in the admin site."""

import re

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard.watch import watcher
from statestore.access import Right
from statestore.models import Entry, GroupReach
from statestore.protocol import TaskScope
from statestore.queries import principal_of_user
from tests.dashboard.data import id_of, put

SALES, HR = TaskScope("sales_eu", "run-1", "ingest"), TaskScope("hr", "run-1", "export")
BOTH = (SALES, HR)


def group(name: str, permissions: str, dags: str | None = None, assets: str = "*") -> Group:
    """A group; without dags it has no reach of its own."""
    made = Group.objects.create(name=name)
    made.permissions.set(Permission.objects.filter(codename__in=permissions.split()))
    if dags is not None:
        GroupReach.objects.create(group=made, dag_patterns=dags, asset_patterns=assets)
    return made


@pytest.fixture
def user(db: None) -> User:
    watcher.forget()
    for scope in BOTH:
        put("progress", {"current": 1, "total": 2}, scope)
    return User.objects.create_user("sam", is_staff=True)


def allowed(user: User, right: Right) -> list[str]:
    """The dags over which the user has the right."""
    principal = principal_of_user(User.objects.get(pk=user.pk))
    return [
        scope.dag_id
        for scope in BOTH
        if any(right in grant.rights for grant in principal._over(scope))
    ]


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_without_a_reach_the_rights_hold_everywhere(user: User) -> None:
    user.groups.add(group("viewers", "view_entry"))
    assert allowed(user, Right.VIEW) == ["sales_eu", "hr"]
    assert allowed(user, Right.WRITE) == []


def test_a_groups_rights_hold_for_what_the_group_reaches(user: User) -> None:
    user.groups.add(group("sales", "view_entry change_entry", "sales_*"))
    user.groups.add(group("hr", "view_entry delete_entry", "hr"))
    assert allowed(user, Right.VIEW) == ["sales_eu", "hr"]
    assert allowed(user, Right.WRITE) == ["sales_eu"]
    assert allowed(user, Right.CLEAR) == ["hr"]


def test_rights_from_elsewhere_hold_for_what_the_groups_reach(user: User) -> None:
    user.groups.add(group("sales", "", "sales_*"), group("everyone", "view_entry"))
    user.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    assert allowed(user, Right.VIEW) == ["sales_eu"]
    assert allowed(user, Right.CLEAR) == ["sales_eu"]


def test_an_empty_reach_reaches_nothing(user: User) -> None:
    user.groups.add(group("nobody", "view_entry", ""))
    assert allowed(user, Right.VIEW) == []


def test_a_superuser_reaches_everything(user: User) -> None:
    user.groups.add(group("sales", "", "sales_*"))
    User.objects.update(is_superuser=True)
    assert allowed(user, Right.ADMINISTER) == ["sales_eu", "hr"]


def test_assets_are_limited_apart_from_dags(user: User) -> None:
    user.groups.add(group("sales", "view_entry", "*", "s3*"))
    principal = principal_of_user(user)
    assert (principal.reaches_asset("s3://a"), principal.reaches_asset("gs://a")) == (True, False)


# --- pages ---


@pytest.fixture
def limited(user: User) -> Client:
    """Someone who may see sales, and clear it."""
    user.groups.add(group("sales", "view_entry delete_entry view_taskinstance", "sales_*"))
    return client_of(user)


def test_live_shows_what_is_reached(limited: Client) -> None:
    for path in ("/", "/fragments/live/", "/?q=dag:hr", "/?state=running"):
        html = limited.get(path).content.decode()
        assert "export" not in html
        assert ("ingest" in html) == ("dag:hr" not in path)


def test_live_counts_what_is_reached(limited: Client) -> None:
    assert limited.get("/").context["page"].counts.running == 1
    assert limited.get("/").context["page"].table.size == 1


def without_csrf(html: bytes) -> bytes:
    return re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", html)


def test_a_task_out_of_reach_is_not_there(limited: Client) -> None:
    for start in ("/t/", "/fragments/t/"):
        assert limited.get(f"{start}{id_of(SALES)}/").status_code == 200
        hidden, missing = limited.get(f"{start}{id_of(HR)}/"), limited.get(f"{start}999999/")
        assert hidden.status_code == missing.status_code == 404
        assert without_csrf(hidden.content) == without_csrf(missing.content)


def test_readings_are_not_shared_with_those_who_reach_less(limited: Client) -> None:
    everyone = client_of(User.objects.create_superuser("root"))
    assert "export" in everyone.get("/").content.decode()
    assert everyone.get(f"/t/{id_of(HR)}/").status_code == 200
    assert "export" not in limited.get("/").content.decode()
    assert limited.get(f"/t/{id_of(HR)}/").status_code == 404
    assert "export" in everyone.get("/").content.decode()


# --- admin site ---


def test_the_admins_lists_show_what_is_reached(limited: Client) -> None:
    for name in ("entry", "taskinstance"):
        html = limited.get(f"/admin/statestore/{name}/").content.decode()
        assert "ingest" in html
        assert "export" not in html
    row = Entry.objects.get(task_instance__dag_id="hr")
    assert limited.get(f"/admin/statestore/entry/{row.pk}/change/").status_code == 302


@pytest.mark.parametrize("action", ["clear_keys", "clear_tasks", "clear_all_map_indices"])
def test_the_admin_clears_only_where_the_right_to_clear_holds(user: User, action: str) -> None:
    user.groups.add(group("all", "view_entry view_taskinstance", "*"))
    user.groups.add(group("sales", "view_entry delete_entry", "sales_*"))
    form = {
        "action": action,
        ACTION_CHECKBOX_NAME: list(Entry.objects.values_list("pk", flat=True)),
        "confirmed": "yes",
    }
    answer = client_of(user).post("/admin/statestore/entry/", form, follow=True)
    assert "Cleared 1 key." in answer.content.decode()
    assert Entry.objects.get().task_instance.dag_id == "hr"


def test_a_groups_reach_is_set_in_the_admin(db: None) -> None:
    made = group("sales", "view_entry")
    form = {
        "name": "sales", "reach-TOTAL_FORMS": "1", "reach-INITIAL_FORMS": "0",
        "reach-0-group": made.pk, "reach-0-dag_patterns": "sales_*", "reach-0-asset_patterns": "",
    }  # fmt: skip
    client = client_of(User.objects.create_superuser("root"))
    answer = client.post(f"/admin/auth/group/{made.pk}/change/", form)
    assert answer.status_code == 302, answer.content
    reach = GroupReach.objects.get()
    assert (reach.group_id, reach.dag_patterns, reach.asset_patterns) == (made.pk, "sales_*", "")
