"""The admin site's list of sweeps."""

from datetime import UTC, datetime, timedelta

from statestore.models import SweepRun
from tests.admin.conftest import ClientOf


def test_the_newest_sweep_comes_first(staff: ClientOf) -> None:
    now = datetime.now(UTC)
    for days, deleted in ((2, 1111), (0, 3333), (1, 2222)):
        SweepRun.objects.create(
            started_at=now - timedelta(days=days), seconds=1, deleted=deleted, overdue=0
        )
    html = staff("view_sweeprun").get("/admin/statestore/sweeprun/").content.decode()
    assert html.index("3333") < html.index("2222") < html.index("1111")


def test_sweeps_by_hand_are_listed_apart(staff: ClientOf) -> None:
    now = datetime.now(UTC)
    for by_hand, deleted in ((False, 1111), (True, 2222)):
        SweepRun.objects.create(
            started_at=now, seconds=1, deleted=deleted, overdue=0, by_hand=by_hand
        )
    path = "/admin/statestore/sweeprun/?by_hand__exact=1"
    html = staff("view_sweeprun").get(path).content.decode()
    assert "2222" in html
    assert "1111" not in html
