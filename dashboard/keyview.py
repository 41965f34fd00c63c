"""What the Key page shows, of a task instance's key and of an asset's."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from dashboard.filters import key_of
from dashboard.history import FIELDS_MAX, curve_of, fields_of, steps_of
from dashboard.jsontree import has_tree, tree_html
from dashboard.jsonview import BEGINNING, json_view
from dashboard.snippets import curl_read, python_read
from dashboard.watch import cursor_of
from statestore import queries
from statestore.access import Principal, Right
from statestore.errors import ForbiddenError
from statestore.jsonpretty import pretty
from statestore.protocol import NEVER_EXPIRE, AssetScope, NeverExpire
from statestore.queries import KeyHistory

PRETTY: Final = "pretty"
FORMS: Final = {PRETTY: "Pretty", "tree": "Tree", "raw": "Raw"}  # `?as=`
RETENTIONS: Final[dict[str, tuple[str, timedelta | NeverExpire]]] = {
    "1": ("1 day", timedelta(days=1)),
    "7": ("7 days", timedelta(days=7)),
    "30": ("30 days", timedelta(days=30)),
    "90": ("90 days", timedelta(days=90)),
    "never": ("ever", NEVER_EXPIRE),
}


@dataclass(frozen=True, slots=True)
class KeyPage:
    """The page of one key."""

    cursor: str
    history: KeyHistory
    """Without the value and its versions, where something in them looks like a secret."""

    @property
    def hidden(self) -> bool:
        """Whether that is so."""
        return self.history.entry.value == queries.HIDDEN


def read_key(params: QueryDict, principal: Principal, **owner: int) -> KeyPage:
    """The page of the key that `?key=` names, of the task instance or asset with this number.

    Raises:
        NotFoundError: there is none that the principal reaches; it may have been cleared or expired.
    """
    return page_of(history_of(key_of(params), principal, owner))


def history_of(key: str, principal: Principal, owner: dict[str, int]) -> KeyHistory:
    """The key with all that is kept of it.

    Raises:
        NotFoundError: see above.
    """
    if "asset_id" in owner:
        return queries.asset_key_history(owner["asset_id"], key, principal)
    return queries.key_history(owner["task_instance_id"], key, principal)


def page_of(history: KeyHistory) -> KeyPage:
    """The page that shows it."""
    shown = shown_of(history)
    entry, versions = shown.entry, [version.version for version in shown.versions]
    state = entry.created_at, entry.updated_at, entry.version, entry.expires_at, entry.writer
    return KeyPage(cursor_of(state, entry.value == queries.HIDDEN, versions), shown)


def shown_of(history: KeyHistory) -> KeyHistory:
    """Without the value and its versions, where something in them looks like a secret."""
    values = {history.entry.value, *(version.value for version in history.versions)}
    hidden = queries.hidden_among(
        ((history.owner_id, history.entry.key, value) for value in values),
        of_asset=bool(history.asset),
    )
    entry = queries.masked(history.entry, history.owner_id, hidden)
    return history if entry is history.entry else replace(history, entry=entry, versions=[])


def beside_key(request: HttpRequest, page: KeyPage, principal: Principal) -> dict[str, Any]:
    """What else the templates see."""
    history = page.history
    scope, key, value = history.scope, history.entry.key, history.entry.value
    base, urls = request.build_absolute_uri("/"), urls_of(history)
    forms = {word: text for word, text in FORMS.items() if word != "tree" or has_tree(value)}
    form = request.GET.get("as", PRETTY)
    form = form if form in forms and not page.hidden else PRETTY
    return {
        "history": history,
        "hidden": page.hidden,
        "scope": scope,
        "entry": history.entry,
        "view": json_view(value, whole=True),
        "is_long": len(value) > BEGINNING,
        "forms": forms,
        "form": form,
        "tree": tree_html(value, raw_url=f"{urls['page_url']}&as=raw") if form == "tree" else "",
        "steps": steps_of(history.versions),
        "curve": curve_of(history.versions, request.GET.get("field")),
        "fields": fields_of(history.versions)[:FIELDS_MAX],
        "snippets": {
            "curl": curl_read(base, scope, key),
            "Python": python_read(base, scope, key, asset=history.asset),
        },
        "may_write": may(principal, history, Right.WRITE),
        "may_reveal": page.hidden and may(principal, history, Right.ADMINISTER),
        "may_clear": may(principal, history, Right.CLEAR),
        "retentions": {word: text for word, (text, _) in RETENTIONS.items()},
        "text": pretty(value),
        "page_path": urls["page_url"].partition("?")[0],
        "fragment_path": urls["fragment_url"].partition("?")[0],
        **urls,
    }


def urls_of(history: KeyHistory) -> dict[str, str]:
    """Where the page, its fragment and its actions are, of either kind."""
    kind = "asset_" if history.asset else ""
    actions = ("download", "restore", "edit", "fragment")
    found = {f"{action}_url": f"{kind}key_{action}" for action in actions}
    found["page_url"] = f"{kind}key"
    found["clear_url"] = "clear_asset_key" if history.asset else "clear_key"
    query = urlencode({"key": history.entry.key})
    return {
        word: f"{reverse(f'dashboard:{name}', args=[history.owner_id])}?{query}"
        for word, name in found.items()
    }


def require(principal: Principal, history: KeyHistory, right: Right) -> None:
    """Let pass who has the right over the key.

    Raises:
        ForbiddenError: they have not.
    """
    if isinstance(history.scope, AssetScope):
        principal.require_asset(history.owner_id, history.asset, right)
    else:
        principal.require(history.scope, right)


def may(principal: Principal, history: KeyHistory, right: Right) -> bool:
    """Whether they have it."""
    try:
        require(principal, history, right)
    except ForbiddenError:
        return False
    return True
