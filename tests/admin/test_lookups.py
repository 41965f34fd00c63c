"""Addresses of the admin's lists that ask for what is hidden."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from statestore import services
from statestore.webhooks.events import Event
from tests.dashboard.data import put


@pytest.fixture
def _stored(db: None) -> None:
    put("settings", {"password": "hunter2"})
    services.webhook_create(name="pager", url="https://example.com/x", events=[Event.TEST])


@pytest.mark.usefixtures("_stored")
@pytest.mark.parametrize(
    "asked",
    [
        "statestore/entry/?key=settings&value__contains=hunt",
        "statestore/entry/?value__startswith=h",
        "statestore/entry/?value__regex=^h",
        "statestore/entry/?value=x",
        "statestore/entry/?task_instance__dag_id__startswith=s",
        "statestore/taskinstance/?entries__value__contains=hunt",
        "statestore/webhook/?secret__startswith=whsec_",
        "statestore/webhook/?old_secret__startswith=whsec_",
        "statestore/webhook/?url__contains=example",
        "statestore/webhook/?active__exact=1&secret__regex=^w",
        "statestore/webhookdelivery/?webhook__secret__startswith=whsec_",
        "statestore/webhookdelivery/?webhook__url__startswith=https",
        "statestore/apitoken/?digest__startswith=0",
        "auth/user/?password__startswith=p",
        "auth/user/?email__startswith=p",
        "auth/group/?user__password__startswith=p",
    ],
)
def test_what_no_filter_asks_is_refused(admin_client: Client, asked: str) -> None:
    assert admin_client.get(f"/admin/{asked}").status_code == 400


@pytest.mark.usefixtures("_stored")
@pytest.mark.parametrize(
    "asked",
    [
        "statestore/entry/?dag=s&run=r&task=i&key=set&expired=no&expiry=some",
        "statestore/taskinstance/?status__exact=running&dag=s",
        "statestore/webhook/?active__exact=1",
        "statestore/webhookdelivery/?webhook__id__exact=1&state__exact=waiting",
        "auth/user/?is_staff__exact=1&groups__id__exact=1",
    ],
)
def test_what_the_filters_ask_is_answered(admin_client: Client, asked: str) -> None:
    assert admin_client.get(f"/admin/{asked}").status_code == 200


@pytest.mark.parametrize("model", [*admin.site._registry], ids=lambda model: model.__name__)
def test_every_list_refuses_what_it_does_not_filter_by(
    rf: Any, admin_user: User, model: type[Any]
) -> None:
    request = rf.get("/")
    request.user = admin_user
    for field in model._meta.get_fields():
        lookup = f"{field.name}__startswith"
        assert not admin.site._registry[model].lookup_allowed(lookup, "x", request)
