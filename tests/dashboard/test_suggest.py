"""Did you mean: a filter that finds nothing, and the name that was meant."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from statestore.models import GroupReach
from statestore.protocol import TaskScope
from tests.dashboard.data import EVIL, put

TASKS = [("warehouse_daily", "run 7", "load_orders"), ("hr_sync", "2026-11-20", "geocode")]


@pytest.fixture(autouse=True)
def _tasks(db: None) -> None:
    for ids in TASKS:
        put("page", 1, TaskScope(*ids))


def meant(client: Client, **asked: str) -> str:
    """The name that is suggested, once its link has found it."""
    html = client.get("/", asked).content.decode()
    found = re.search(r'href="([^"]+)">Did you mean&nbsp;<span class="mono">([^<]+)</span>', html)
    if found is None:
        return ""
    link, name = found[1].replace("&amp;", "&"), found[2]
    assert 'class="name mono"' in client.get(f"/{link}").content.decode()
    return name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("dag:warehose", "warehouse_daily"),
        ("dag:Warehouse", "warehouse_daily"),
        ("dag:warehouse task:lod_orders", "load_orders"),
        ('run:"rum 7"', "run 7"),
        ("gecode", "geocode"),
        ("ordres", "orders"),
    ],
)
def test_a_name_that_is_nearly_spelt_so_is_suggested(
    viewing: Client, typed: str, name: str
) -> None:
    assert meant(viewing, q=typed) == name


@pytest.mark.parametrize("typed", ["dag:zebra", "qqqqq", "dag:wa", "dag:warehouse task:geo", ""])
def test_what_is_far_from_every_name_suggests_none(viewing: Client, typed: str) -> None:
    assert meant(viewing, q=typed, state="failed") == ""


def test_names_that_a_person_may_not_see_are_not_told(viewing: Client, viewer: User) -> None:
    assert meant(viewing, q="dag:hr_sinc") == "hr_sync"
    group = Group.objects.create(name="sales")
    group.permissions.set(Permission.objects.filter(codename="view_entry"))
    GroupReach.objects.create(group=group, dag_patterns="warehouse_*")
    viewer.user_permissions.clear()
    viewer.groups.add(group)
    assert meant(viewing, q="dag:hr_sinc") == ""


def test_a_name_that_is_markup_is_text(viewing: Client) -> None:
    put("page", 1, TaskScope(EVIL, "r", "t"))
    html = viewing.get("/", {"q": f"dag:{EVIL[:-1]}x".replace('"', "")}).content.decode()
    assert EVIL not in html
