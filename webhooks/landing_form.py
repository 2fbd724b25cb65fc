"""The form that an administrator copies into a landing page. Its script only adds the campaign; it works without."""

from django.template.loader import render_to_string

from webhooks.landing import landing_of
from webhooks.models import InboundEndpoint

# The native document's names, or those that a mapping made for forms looks for.
_NATIVE = {
    "name": "contact[name]",
    "email": "contact[emails][]",
    "phone": "contact[phones][]",
    "message": "activity[body]",
}
_PLAIN = {name: name for name in _NATIVE}


def html_form_for(endpoint: InboundEndpoint) -> str:
    """The HTML, "" for an endpoint that no page may post to."""
    page = landing_of(endpoint)
    if page is None:
        return ""
    names = _NATIVE if endpoint.mapping is None else _PLAIN
    context = {"url": endpoint.url, "honeypot": page.honeypot, "names": names}
    return (
        render_to_string("webhooks/landing_form.html", context) + ""
    )  # a text to be shown, escaped as any other
