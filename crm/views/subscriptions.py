"""The list of renewals: what is overdue first, then month by month, with what each brings in."""

from datetime import date

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from crm.models import Subscription, SubscriptionQuerySet, User
from crm.renewals import Row, fill, group_renewals, headings, of_group, order_of
from crm.standings import standing_of
from crm.views.access import PageRequest
from crm.views.pages import Page, page_of


class RenewalFilter(forms.Form):
    """Kept in the address bar. What cannot be read narrows nothing."""

    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        label=gettext_lazy("Owner"),
        required=False,
        empty_label=gettext_lazy("All owners"),
    )
    status = forms.ChoiceField(
        label=gettext_lazy("Status"),
        required=False,
        choices=[
            ("", gettext_lazy("All that run")),
            ("overdue", gettext_lazy("Overdue")),
            *Subscription.Status.choices,
        ],
    )

    def narrow(self, plans: SubscriptionQuerySet, *, today: date) -> SubscriptionQuerySet:
        self.is_valid()
        owner, status = self.cleaned_data.get("owner"), self.cleaned_data.get("status")
        if owner:
            plans = plans.filter(deal__owner=owner)
        if status == "overdue":
            return plans.overdue(today=today)
        return plans.filter(status=status) if status else plans.running()


@login_required
@require_safe
def subscriptions(request: PageRequest) -> HttpResponse:
    """All groups; with `?group=` one of them, page by page. RenewalFilter names the other parameters."""
    today = timezone.localdate()
    chosen = RenewalFilter(request.GET)
    visible = Subscription.objects.visible_to(request.user)
    plans = group_renewals(chosen.narrow(visible, today=today), today=today)
    only = request.GET.get("group", "")
    groups = headings(plans)
    page: Page[Subscription] | None = None
    if only in groups:
        groups = {only: groups[only]}
        page = page_of(of_group(plans, only), request, by=order_of(only))
        groups[only].rows = [Row(plan, standing_of(plan, today=today)) for plan in page.rows]
    else:
        only = ""
        fill(groups, plans, today=today)
    context = {
        "filter": chosen,
        "groups": list(groups.values()),
        "group": only,
        "page": page,
        "query": _query_without_group(request),
        "is_narrowed": any(request.GET.get(name) for name in chosen.fields),
    }
    return render(request, "crm/subscriptions.html", context)


def _query_without_group(request: PageRequest) -> str:
    query = request.GET.copy()
    for name in ("group", "after"):
        query.pop(name, None)
    return query.urlencode()
