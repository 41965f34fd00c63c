"""The pages that the top bar and, on phones, the bottom bar lead to."""

from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse

from statestore.access import USER_PERMISSIONS, Right

ON_A_PHONE: Final = 4  # places in the bottom bar; the others are under More


@dataclass(frozen=True, slots=True)
class Place:
    """A page that is always one step away."""

    view: str
    icon: str
    word: str
    right: Right = Right.VIEW
    children: tuple[str, ...] = ()
    """The views of pages that belong to it."""

    @property
    def url(self) -> str:
        """Where it is."""
        return reverse(f"dashboard:{self.view}")

    def is_here(self, view: str) -> bool:
        """Whether the page that is shown is this one, or belongs to it."""
        return view in {f"dashboard:{name}" for name in (self.view, *self.children)}


PLACES: Final = (
    Place("live", "activity", "Live", children=("task", "key", "clear_task", "clear_key")),
    Place("runs", "layers", "Runs", children=("run", "clear_run")),
    Place(
        "assets",
        "database",
        "Assets",
        children=("asset", "asset_key", "clear_asset", "clear_asset_key"),
    ),
    Place("retention", "archive", "Retention"),
    Place("secrets", "shield-check", "Secrets", children=("secret_reveal",)),
    Place("audit", "history", "Audit", Right.ADMINISTER),
)


def places_of(user: Any) -> list[Place]:
    """The places that the user may see."""
    return [place for place in PLACES if user.has_perm(USER_PERMISSIONS[place.right])]
