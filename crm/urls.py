"""The CRM's pages."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path

from crm.views import session

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", session.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", session.set_language, name="language"),
]
