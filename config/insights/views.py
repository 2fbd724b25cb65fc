"""The page of monitoring."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from automations.models import Destination
from config.insights.receiving import worst_endpoints
from config.insights.rules_form import AlertRulesForm
from config.insights.running import database, workers
from config.insights.selling import sales_charts
from config.insights.sending import backlog, sending
from config.insights.spans import SPANS, span_of
from config.insights.watching import told_alerts
from crm.models import Pipeline
from crm.views.access import PageRequest, admin_required


@admin_required
@require_safe
def insights(request: PageRequest) -> HttpResponse:
    """`?span=` is today, week or month, `?pipeline=` the one whose sales are shown; a constant number of queries."""
    now = timezone.now()
    span = span_of(request.GET.get("span", ""))
    pipelines = list(Pipeline.objects.filter(archived=False))
    pipeline = _chosen(pipelines, request)
    context = {
        "span": span,
        "spans": SPANS,
        "sending": sending(span, now=now),
        "backlog": backlog(now=now),
        "worst_endpoints": worst_endpoints(since=span.starts_at(now)[0], now=now),
        "stopped": Destination.objects.present().exclude(status=Destination.Status.ACTIVE).count(),
        "alerts": told_alerts(),
        "workers": workers(now=now),
        "database": database(),
        "pipelines": pipelines,
        "pipeline": pipeline,
        "sales": sales_charts(pipeline, now=now) if pipeline else [],
    }
    return render(request, "insights/insights.html", context)


@admin_required
@require_http_methods(["GET", "POST"])
def alert_rules(request: PageRequest) -> HttpResponse:
    """From where on something is worth an alert."""
    form = AlertRulesForm(request.POST or None)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("alert-rules")
    status = 422 if form.is_bound else 200
    return render(request, "insights/alert_rules.html", {"form": form}, status=status)


def _chosen(pipelines: list[Pipeline], request: HttpRequest) -> Pipeline | None:
    """That of the address, else the first."""
    wanted = request.GET.get("pipeline", "")
    named = (pipeline for pipeline in pipelines if str(pipeline.pk) == wanted)
    return next(named, pipelines[0] if pipelines else None)
