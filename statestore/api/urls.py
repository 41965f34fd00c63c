"""The paths of the API, below /api/v2.

Web servers decode %2F before Django routes, so ids and keys may hold slashes here; an id that holds
one of the words between them is refused (protocol.check_scope).
"""

from django.urls import path, re_path

from statestore.api import assets, auth, describe, entries, health, tasks

_TASK_INSTANCE = (
    r"^dags/(?P<dag_id>[\s\S]+?)/dagRuns/(?P<run_id>[\s\S]+?)/taskInstances/(?P<task_id>[\s\S]+?)"
)
_ASSET = r"^assets/(?P<asset_id>[0-9]{1,18})"
_KEY = r"(?P<key>[\s\S]*)"
_INCREMENT = r"(?P<key>[\s\S]+/increment)"

urlpatterns = [
    re_path(rf"{_TASK_INSTANCE}/state-store/{_INCREMENT}\Z", entries.EntryIncrement.as_view()),
    re_path(rf"{_TASK_INSTANCE}/state-store/{_KEY}\Z", entries.EntryDetail.as_view()),
    # after the keys, of which one may end with /state-store itself
    re_path(rf"{_TASK_INSTANCE}/state-store\Z", entries.EntryList.as_view()),
    re_path(rf"{_TASK_INSTANCE}/attempts\Z", tasks.AttemptList.as_view()),
    path("task-instances", tasks.TaskInstanceList.as_view()),
    path("state-store/batch", entries.Batch.as_view()),
    path("assets", assets.AssetList.as_view()),
    re_path(rf"{_ASSET}\Z", assets.AssetDetail.as_view()),
    re_path(rf"{_ASSET}/state-store\Z", entries.EntryList.as_view()),
    re_path(rf"{_ASSET}/state-store/{_INCREMENT}\Z", entries.AssetEntryIncrement.as_view()),
    re_path(rf"{_ASSET}/state-store/{_KEY}\Z", entries.AssetEntryDetail.as_view()),
    path("auth/token", auth.UserToken.as_view()),
    path("task-tokens", auth.TaskTokens.as_view()),
    path("healthz", health.Health.as_view()),
    path("readyz", health.Readiness.as_view()),
    path("metrics", health.Metrics.as_view()),
    path("schema", describe.Schema.as_view(), name="schema"),
    path("docs", describe.Docs.as_view(), name="docs"),
    re_path(r"", health.NothingHere.as_view()),
]
