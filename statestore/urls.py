"""Where each URL goes: the API, the admin site, everything else the dashboard."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v2/", include("statestore.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls")),
]
