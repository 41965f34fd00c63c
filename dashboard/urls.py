"""The paths of the pages: the dashboard's in its namespace, login and logout where Django looks."""

from django.contrib.auth import views as auth
from django.urls import include, path, register_converter
from django.urls.converters import IntConverter

from dashboard import audit, clearing, keys, secrets, views
from dashboard.filters import DIGITS
from dashboard.retention import sweep_now
from statestore.throttle import limit_logins


class NumberConverter(IntConverter):
    """A number of a row, of as many digits as every database takes."""

    regex = f"[0-9]{{1,{DIGITS}}}"


register_converter(NumberConverter, "number")
log_in = auth.LoginView.as_view(redirect_authenticated_user=True)
pages = [
    path("", views.live, name="live"),
    path("fragments/live/", views.live_fragment, name="live_fragment"),
    path("t/<number:task_instance_id>/", views.task, name="task"),
    path("fragments/t/<number:task_instance_id>/", views.task_fragment, name="task_fragment"),
    path("t/<number:task_instance_id>/clear/", clearing.clear_task, name="clear_task"),
    path("t/<number:task_instance_id>/clear-key/", clearing.clear_key, name="clear_key"),
    path("runs/", views.runs, name="runs"),
    path("fragments/runs/", views.runs_fragment, name="runs_fragment"),
    path("runs/<number:run>/", views.run, name="run"),
    path("fragments/runs/<number:run>/", views.run_fragment, name="run_fragment"),
    path("runs/<number:run>/clear/", clearing.clear_run, name="clear_run"),
    path("assets/", views.assets, name="assets"),
    path("fragments/assets/", views.assets_fragment, name="assets_fragment"),
    path("assets/<number:asset_id>/", views.asset, name="asset"),
    path("fragments/assets/<number:asset_id>/", views.asset_fragment, name="asset_fragment"),
    path("assets/<number:asset_id>/clear/", clearing.clear_asset, name="clear_asset"),
    path("assets/<number:asset_id>/clear-key/", clearing.clear_asset_key, name="clear_asset_key"),
    path("retention/", views.retention, name="retention"),
    path("fragments/retention/", views.retention_fragment, name="retention_fragment"),
    path("retention/sweep/", sweep_now, name="sweep_now"),
    path("t/<number:task_instance_id>/k/", views.key, name="key"),
    path("fragments/t/<number:task_instance_id>/k/", views.key_fragment, name="key_fragment"),
    path("t/<number:task_instance_id>/k/download/", keys.download, name="key_download"),
    path("t/<number:task_instance_id>/k/restore/", keys.restore, name="key_restore"),
    path("t/<number:task_instance_id>/k/edit/", keys.edit, name="key_edit"),
    path("t/<number:task_instance_id>/k/extend/", keys.extend, name="key_extend"),
    path("assets/<number:asset_id>/k/", views.key, name="asset_key"),
    path("fragments/assets/<number:asset_id>/k/", views.key_fragment, name="asset_key_fragment"),
    path("assets/<number:asset_id>/k/download/", keys.download, name="asset_key_download"),
    path("assets/<number:asset_id>/k/restore/", keys.restore, name="asset_key_restore"),
    path("assets/<number:asset_id>/k/edit/", keys.edit, name="asset_key_edit"),
    path("secrets/", views.secrets, name="secrets"),
    path("fragments/secrets/", views.secrets_fragment, name="secrets_fragment"),
    path("secrets/reveal/", secrets.reveal, name="secret_reveal"),
    path("secrets/dismiss/", secrets.dismiss, name="secret_dismiss"),
    path("audit/", views.audit, name="audit"),
    path("fragments/audit/", views.audit_fragment, name="audit_fragment"),
    path("audit/audit.csv", audit.audit_csv, name="audit_csv"),
    path("safe/", views.safe, name="safe"),
]

urlpatterns = [
    path("login/", limit_logins(log_in), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("", include((pages, "dashboard"))),
]
