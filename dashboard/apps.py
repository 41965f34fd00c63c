"""The Django app of the dashboard."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Pages for people who watch tasks."""

    name = "dashboard"
