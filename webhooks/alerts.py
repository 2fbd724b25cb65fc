"""Tells the administrators that requests could not be applied although nothing is wrong with them."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _

from crm.models import Notice, User
from crm.notices import notify
from webhooks.models import InboundRequest

AT_MOST_EVERY = timedelta(hours=1)
_KIND = "inbound_failed"


def tell_given_up(*, request_id: str, now: datetime) -> bool:
    """Tell of a request that was just given up, at most once an hour for each endpoint. Returns whether it did."""
    request = InboundRequest.objects.select_related("endpoint").get(pk=request_id)
    name = request.endpoint.name
    url = f"{reverse('inbound-requests')}?endpoint={request.endpoint_id}&state={InboundRequest.State.FAILED}"
    if Notice.objects.filter(kind=_KIND, url=url, created_at__gt=now - AT_MOST_EVERY).exists():
        return False
    notify(
        users=User.objects.filter(role=User.Role.ADMIN, is_active=True),
        kind=_KIND,
        subject=lambda: _("A request to “%(name)s” could not be applied") % {"name": name},
        body=lambda: _(
            "Something went wrong on our side, and it did not pass: the server's log has the cause. Once it is mended,"
            " try the request again from the log of requests; the sender need not send it again."
        ),
        url=url,
    )
    return True
