"""Every address: each app brings its own pages, the house adds the admin, the API and the health checks."""

from django.contrib import admin
from django.urls import include, path

from config import health
from crm.views.session import admin_login

urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.Metrics.as_view()),
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
    path("api/", include("config.api")),
    path("insights/", include("config.insights.urls")),
    path("", include("webhooks.urls")),
    path("", include("automations.urls")),
    path("", include("crm.urls")),
]
