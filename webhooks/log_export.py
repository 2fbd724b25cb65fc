"""The log of requests as a file for spreadsheets."""

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.columns import plain
from crm.csv_export import export
from crm.views.access import PageRequest, admin_required
from crm.views.exports import csv_file
from webhooks.forms import RequestFilter
from webhooks.models import InboundRequest


@admin_required
@require_safe
def export_requests(request: PageRequest) -> StreamingHttpResponse:
    """The log with its filters as a CSV file, newest first, without bodies and headers."""
    found = RequestFilter(request.GET).narrow(InboundRequest.objects.all(), now=timezone.now())
    rows = found.select_related("endpoint", "deal").defer("body", "headers", "changes", "errors")
    heads = ["id", _("Received"), _("Endpoint"), _("State"), _("Reason"), _("Deal"), _("Title"), _("Sender")]
    return csv_file(export(rows, heads=heads, cells=_cells), name="requests")


def _cells(row: InboundRequest) -> list[object]:
    return [
        row.pk,
        plain(row.received_at),
        row.endpoint.name,
        row.get_state_display(),
        row.get_reason_display(),
        row.deal_id,
        row.deal.title if row.deal else "",
        row.remote_address,
    ]
