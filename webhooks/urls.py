"""The addresses of the inbound side."""

from django.urls import URLPattern, URLResolver, re_path

from webhooks.receiving import receive

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^in/(?P<key>[A-Za-z0-9_-]{20,64})/\Z", receive, name="receive"),
    # Without the last slash too, because a redirect would lose the body.
    re_path(r"^in/(?P<key>[A-Za-z0-9_-]{20,64})\Z", receive),
]
