"""The paths of the pages: the dashboard's in its namespace, login and logout where Django looks."""

from django.contrib.auth import views as auth
from django.urls import include, path

from dashboard import views
from statestore.throttle import limit_logins

log_in = auth.LoginView.as_view(redirect_authenticated_user=True)
pages = [
    path("", views.live, name="live"),
    path("fragments/live/", views.live_fragment, name="live_fragment"),
    path("t/<int:task_instance_id>/", views.task, name="task"),
    path("fragments/t/<int:task_instance_id>/", views.task_fragment, name="task_fragment"),
    path("safe/", views.safe, name="safe"),
]

urlpatterns = [
    path("login/", limit_logins(log_in), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("", include((pages, "dashboard"))),
]
