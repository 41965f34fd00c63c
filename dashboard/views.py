"""The pages and their fragments: parse, one call, render."""

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.answers import page_and_fragment
from dashboard.assets import read_asset, read_assets
from dashboard.audit import read_audit
from dashboard.filters import is_filtered
from dashboard.keyview import beside_key, read_key
from dashboard.live import LivePage, TaskPage, read_live, read_task
from dashboard.retention import read_retention
from dashboard.runs import read_run, read_runs
from dashboard.secrets import beside_secrets, read_secrets
from dashboard.snippets import (
    curl_first,
    curl_read,
    orchestrator_url,
    python_first,
    python_read,
    shell_read,
)
from dashboard.suggest import suggestion_for
from statestore.access import Principal, Right
from statestore.protocol import PROGRESS_KEY


@require_safe
def safe(request: HttpRequest) -> HttpResponse:
    """What is safe to store; for everyone, because the banner on the login page links here."""
    return render(request, "dashboard/safe.html")


def _beside_live(request: HttpRequest, page: LivePage, principal: Principal) -> dict[str, Any]:
    base = request.build_absolute_uri("/")
    snippets = {"curl": curl_first(base), "Python": python_first(base)}
    filtered = is_filtered(page.where)
    narrowed = is_filtered(replace(page.where, state=None))  # the counts are of more than is listed
    meant = None
    if filtered and not page.table.size:
        meant = suggestion_for(page.where, principal)
    return {"snippets": snippets, "filtered": filtered, "narrowed": narrowed, "meant": meant}


def _beside_task(request: HttpRequest, page: TaskPage, principal: Principal) -> dict[str, Any]:
    scope, base = page.detail.summary.scope, request.build_absolute_uri("/")
    key = PROGRESS_KEY if page.progress or not page.entries else page.entries[0].entry.key
    snippets = {
        "curl": curl_read(base, scope, key),
        "Python": python_read(base, scope, key),
        "Shell": shell_read(base, scope, key),
    }
    return {"scope": scope, "snippets": snippets, "orchestrator": orchestrator_url(scope)}


live, live_fragment = page_and_fragment("live", read_live, _beside_live)
runs, runs_fragment = page_and_fragment("runs", read_runs)
run, run_fragment = page_and_fragment("run", read_run)
assets, assets_fragment = page_and_fragment("assets", read_assets)
asset, asset_fragment = page_and_fragment("asset", read_asset)
retention, retention_fragment = page_and_fragment("retention", read_retention, personal=True)
secrets, secrets_fragment = page_and_fragment(
    "secrets", read_secrets, beside_secrets, personal=True
)
audit, audit_fragment = page_and_fragment("audit", read_audit, right=Right.ADMINISTER)
task, task_fragment = page_and_fragment("task", read_task, _beside_task)
key, key_fragment = page_and_fragment("key", read_key, beside_key, personal=True)
