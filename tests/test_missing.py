"""A part that the machine lacks is told in one line, however many tests need it."""

import pytest

from tests.missing import missing, summary


def test_each_part_has_one_line_after_other_reasons() -> None:
    chromium = "Skipped: missing part: Chromium: install it"

    assert summary([chromium, "Skipped: not today", chromium]) == [
        "SKIPPED not today (1 test was skipped)",
        "MISSING Chromium: install it (2 tests were skipped)",
    ]


def test_a_missing_part_skips_and_in_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install it"):
        missing("Chromium", "install it")

    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install it"):
        missing("Chromium", "install it")
