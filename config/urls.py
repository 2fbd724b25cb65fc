"""Every address: each app brings its own pages, the house adds the admin, the API and the health checks."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("webhooks.urls")),
    path("", include("automations.urls")),
    path("", include("crm.urls")),
]
