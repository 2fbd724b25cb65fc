"""The log of deliveries as a file for spreadsheets."""

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automations.forms.log import LogFilter
from automations.models import Delivery
from automations.views.deliveries import readable
from crm.columns import plain
from crm.csv_export import export
from crm.views.access import PageRequest, admin_required
from crm.views.exports import csv_file


@admin_required
@require_safe
def export_deliveries(request: PageRequest) -> StreamingHttpResponse:
    """The log with its filters as a CSV file, newest first, without bodies and headers."""
    found = LogFilter(request.GET).narrow(Delivery.objects.all(), now=timezone.now())
    heads = [
        *("id", _("Created"), _("State"), _("Event"), _("Rule"), _("Destination"), _("Deal"), _("Title")),
        *(_("Attempts"), _("Next attempt"), "HTTP", _("Error"), _("Duration (ms)"), _("Delivered")),
    ]
    return csv_file(export(readable(found), heads=heads, cells=_cells), name="deliveries")


def _cells(row: Delivery) -> list[object]:
    waits = row.state == Delivery.State.PENDING
    return [
        row.pk,
        plain(row.created_at),
        row.get_state_display(),
        row.event,
        row.rule.name if row.rule else "",
        row.destination.name,
        row.deal_id,
        row.deal_title,
        row.attempts_made,
        plain(row.due_at) if waits else "",
        row.status_code,
        row.error_code,
        row.duration_ms,  # type: ignore[attr-defined]  # annotated by _readable
        plain(row.delivered_at) if row.delivered_at else "",
    ]
