"""The addresses below /insights/."""

from django.urls import URLPattern, path

from config.insights import views

urlpatterns: list[URLPattern] = [
    path("", views.insights, name="insights"),
    path("alerts/", views.alert_rules, name="alert-rules"),
]
