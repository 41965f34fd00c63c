"""Files that pages refer to."""

import re

from django.conf import settings

STATIC = settings.BASE_DIR / "dashboard/static/dashboard"


def test_every_icon_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    sources = [*settings.BASE_DIR.glob("templates/**/*.html")]
    used = {name for path in sources for name in re.findall(r'{% icon "([^"]+)"', path.read_text())}
    for path in settings.BASE_DIR.glob("dashboard/**/*.py"):
        used |= set(re.findall(r'\bicon\("([^"]+)"', path.read_text()))
    for module in ("templatetags/pages.py", "nav.py"):
        code = (settings.BASE_DIR / "dashboard" / module).read_text()
        used |= set(re.findall(r'\("[a-z]+", "([a-z0-9-]+)", "[A-Z]', code))
    assert used - sprite == set()


def test_no_template_has_an_inline_script_or_style() -> None:
    drawn = settings.BASE_DIR.glob("dashboard/templatetags/*.py")
    for path in (*settings.BASE_DIR.glob("templates/**/*.html"), *drawn):
        html = path.read_text()
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html), path


def test_what_is_vendored_has_its_licence() -> None:
    licences = {path.name.partition("-")[0] for path in STATIC.rglob("*LICENSE*")}
    assert licences >= {"htmx", "idiomorph", "icons", "LICENSE"}
