"""Lists as CSV files: what the page shows, with its filters and columns, and every row of it."""

from collections.abc import AsyncIterator

from django.contrib.auth.decorators import login_required
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.agenda import with_related
from crm.columns import Column, all_columns, chosen_columns, plain, with_columns
from crm.csv_export import export
from crm.models import Activity, Deal, Subscription
from crm.views.access import PageRequest
from crm.views.activities.forms import EVERYBODY, ActivityFilter
from crm.views.columns import column_names
from crm.views.deals_list import COOKIE
from crm.views.filters import filters_of
from crm.views.people.kinds import Kind
from crm.views.subscriptions import RenewalFilter


@login_required
@require_safe
def deals(request: PageRequest) -> StreamingHttpResponse:
    """The columns of the list; beside an amount stands its currency."""
    offered = all_columns()
    columns = _with_currency(chosen_columns(offered, column_names(request, cookie=COOKIE)), offered)
    visible = Deal.objects.visible_to(request.user)
    found = filters_of(request).narrow(visible, now=timezone.now())
    heads = ["id", *(str(column.label) for column in columns)]
    rows = export(
        with_columns(found, columns),
        heads=heads,
        cells=lambda deal: [deal.pk, *(plain(column.plain(deal)) for column in columns)],
    )
    return csv_file(rows, name="deals")


def _with_currency(columns: list[Column], offered: list[Column]) -> list[Column]:
    currency = next(column for column in offered if column.name == "currency")
    places = [column.name for column in columns]
    if "value" not in places or "currency" in places:
        return columns
    at = places.index("value") + 1
    return [*columns[:at], currency, *columns[at:]]


@login_required
@require_safe
def people(request: PageRequest, kind: Kind) -> StreamingHttpResponse:
    """Contacts or companies, with the columns of their list."""
    columns = chosen_columns(kind.columns(), column_names(request, cookie=kind.cookie), usual=kind.usual)
    heads = ["id", *(str(column.label) for column in columns)]
    rows = export(
        with_columns(kind.found(request), columns),
        heads=heads,
        cells=lambda row: [row.pk, *(plain(column.plain(row)) for column in columns)],
    )
    return csv_file(rows, name=kind.list_name)


@login_required
@require_safe
def subscriptions(request: PageRequest) -> StreamingHttpResponse:
    def cells(plan: Subscription) -> list[object]:
        deal, company = plan.deal, plan.company or (plan.deal and plan.deal.company)
        owner = deal.owner if deal else None
        names = [str(row) if row else "" for row in (company, deal, owner)]
        state = plan.get_status_display()
        return [plan.pk, plan.plan, *names, state, plan.amount, plan.currency, plain(plan.renews_on)]

    visible = Subscription.objects.visible_to(request.user)
    found = RenewalFilter(request.GET).narrow(visible, today=timezone.localdate())
    related = found.select_related("company", "deal__company", "deal__owner")
    money = [_("Amount"), _("Currency"), _("Renews on")]
    heads = ["id", _("Plan"), _("Company"), _("Deal"), _("Owner"), _("Status"), *money]
    return csv_file(export(related, heads=heads, cells=cells), name="subscriptions")


@login_required
@require_safe
def activities(request: PageRequest) -> StreamingHttpResponse:
    """Those of the list; `?state=` is that of the page."""

    def cells(activity: Activity) -> list[object]:
        names = [str(row) if row else "" for row in (activity.deal, activity.contact, activity.assignee)]
        moments = [plain(activity.due_at), plain(activity.done_at)]
        return [
            *(activity.pk, activity.get_kind_display(), activity.subject),
            *names,
            *moments,
            activity.body,
        ]

    visible = Activity.objects.visible_to(request.user)
    chosen = ActivityFilter(request.GET.dict(), owner=EVERYBODY)
    found = chosen.narrow(visible, user=request.user, now=timezone.now())
    who = [_("Deal"), _("Contact"), _("Owner")]
    heads = ["id", _("Kind"), _("Subject"), *who, _("Due"), _("Done"), _("Details")]
    return csv_file(export(with_related(found), heads=heads, cells=cells), name="activities")


def csv_file(rows: AsyncIterator[str], *, name: str) -> StreamingHttpResponse:
    day = timezone.localdate().isoformat()
    headers = {"Content-Disposition": f'attachment; filename="{name}-{day}.csv"', "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8", headers=headers)
