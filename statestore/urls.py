"""Where each URL goes: the API, the admin site, everything else the dashboard."""

from django.contrib import admin
from django.urls import include, path

from statestore.admin.accounts import change_own_password
from statestore.throttle import limit_logins

urlpatterns = [
    path("api/v2/", include("statestore.api.urls")),
    path("admin/login/", limit_logins(admin.site.login)),
    path("admin/password_change/", admin.site.admin_view(change_own_password, cacheable=True)),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls")),
]
