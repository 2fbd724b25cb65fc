"""Tells the administrators what became of requests that they have to see to: those that could not be applied although
nothing is wrong with them, and those of which somebody has to choose the deal.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Notice, User
from crm.notices import notify
from webhooks.models import InboundEndpoint, InboundRequest

AT_MOST_EVERY = timedelta(hours=1)


def tell_given_up(*, request_id: str, now: datetime) -> bool:
    """Tell of a request that was just given up, at most once an hour for each endpoint. Returns whether it did."""
    request = InboundRequest.objects.select_related("endpoint").get(pk=request_id)
    name = request.endpoint.name
    return _tell_sometimes(
        "inbound_failed",
        subject=lambda: _("A request to “%(name)s” could not be applied") % {"name": name},
        body=lambda: _(
            "Something went wrong on our side, and it did not pass: the server's log has the cause. Once it is mended,"
            " try the request again from the log of requests; the sender need not send it again."
        ),
        url=f"{reverse('inbound-requests')}?{_filter(request.endpoint, InboundRequest.State.FAILED)}",
        now=now,
    )


def tell_of_review(*, request: InboundRequest) -> bool:
    """Tell that a request waits for somebody to choose its deal, at most once an hour for each endpoint."""
    name = request.endpoint.name
    return _tell_sometimes(
        "inbound_review",
        subject=lambda: _("A request to “%(name)s” matches several deals") % {"name": name},
        body=lambda: _("Choose the deal that is meant; then it is applied."),
        url=f"{reverse('inbound-review')}?endpoint={request.endpoint_id}",
        now=timezone.now(),
    )


def _filter(endpoint: InboundEndpoint, state: InboundRequest.State) -> str:
    return f"endpoint={endpoint.pk}&state={state}"


def _tell_sometimes(
    kind: str, *, subject: Callable[[], str], body: Callable[[], str], url: str, now: datetime
) -> bool:
    """Tell the administrators, unless they were told the same within the last hour."""
    if Notice.objects.filter(kind=kind, url=url, created_at__gt=now - AT_MOST_EVERY).exists():
        return False
    admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
    notify(users=admins, kind=kind, subject=subject, body=body, url=url)
    return True
