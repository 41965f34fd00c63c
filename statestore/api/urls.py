"""The paths of the API, below /api/v2.

Web servers decode %2F before Django routes, so ids and keys may hold slashes here; an id that holds
one of the words between them is refused (protocol.check_scope).
"""

from django.urls import path, re_path

from statestore.api import views

_TASK_INSTANCE = (
    r"^dags/(?P<dag_id>[\s\S]+?)/dagRuns/(?P<run_id>[\s\S]+?)/taskInstances/(?P<task_id>[\s\S]+?)"
)

urlpatterns = [
    path("healthz", views.Health.as_view()),
    re_path(rf"{_TASK_INSTANCE}/state-store\Z", views.EntryList.as_view()),
    re_path(rf"{_TASK_INSTANCE}/state-store/(?P<key>[\s\S]*)\Z", views.EntryDetail.as_view()),
    re_path(rf"{_TASK_INSTANCE}/attempts\Z", views.AttemptList.as_view()),
    re_path(r"", views.NothingHere.as_view()),
]
