"""All rules: drawn under the stages of a pipeline, or as a list; their order, copies of them, and their switch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from automations.forms.rule_filter import RuleFilter
from automations.models import Delivery, Rule
from automations.rule_days import last_days
from automations.rules import RuleError, copy_rule, order_rules, update_rule
from automations.starters import STARTERS
from crm import formats
from crm.ids import read_ids
from crm.models import Pipeline, Stage
from crm.views.access import PageRequest, admin_required

RELATED = ("destination", "pipeline", "stage__pipeline", "from_stage__pipeline")


@dataclass(frozen=True, slots=True)
class Line:
    """A rule with how it fared: `taken` is the share of its deliveries that were taken, "" where none has ended."""

    rule: Rule
    taken: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The rules of one stage, of a whole pipeline, or of everything (both None)."""

    pipeline: Pipeline | None
    stage: Stage | None
    lines: list[Line] = field(default_factory=list)


@admin_required
@require_safe
def rules(request: PageRequest) -> HttpResponse:
    """The rules of `?pipeline=`, else of the first one, under its stages; a list with `?view=list` or a filter."""
    if request.GET.get("view") == "list" or request.GET.get("stage"):
        return _as_list(request)
    pipelines = list(Pipeline.objects.filter(archived=False).order_by("position", "pk"))
    chosen = request.GET.get("pipeline", "")
    pipeline = next((each for each in pipelines if str(each.pk) == chosen), next(iter(pipelines), None))
    shown = _with_last(Rule.objects.present())
    context = {
        "pipelines": pipelines,
        "pipeline": pipeline,
        "columns": _columns(pipeline, _lines(shown)) if pipeline else [],
        "starters": STARTERS,
    }
    return render(request, "automations/rules.html", context)


def _as_list(request: PageRequest) -> HttpResponse:
    chosen = RuleFilter(request.GET)
    lines = _lines(chosen.narrow(_with_last(Rule.objects.present())))
    context = {
        "filter": chosen,
        "groups": _grouped(lines),
        "stage": chosen.cleaned_data.get("stage"),
        "starters": STARTERS,
    }
    return render(request, "automations/rule_list.html", context)


def _with_last(rules: QuerySet[Rule]) -> QuerySet[Rule]:
    """With all that a row shows: the state of the newest delivery, and when it was made."""
    newest = Delivery.objects.filter(rule=OuterRef("pk")).order_by("-id")
    return rules.select_related(*RELATED).annotate(
        last_state=Subquery(newest.values("state")[:1]), last_at=Subquery(newest.values("created_at")[:1])
    )


def _lines(rules: Iterable[Rule]) -> list[Line]:
    found = sorted(rules, key=lambda rule: (rule.position, rule.pk))
    sums = last_days([rule.pk for rule in found], now=timezone.now())
    return [_line(rule, *sums.get(rule.pk, (0, 0))) for rule in found]


def _line(rule: Rule, delivered: int, failed: int) -> Line:
    ended = delivered + failed
    return Line(rule, formats.percent(delivered, of=ended) if ended else "", is_bad=failed > 0)


def _columns(pipeline: Pipeline, lines: Sequence[Line]) -> list[Group]:
    """A column a stage, after one of what acts in every stage."""
    stages = pipeline.stages.order_by("position", "pk")
    everywhere, columns = Group(pipeline, None), {stage.pk: Group(pipeline, stage) for stage in stages}
    for line in lines:
        stage = _acts_in(line.rule)
        if stage is None and line.rule.pipeline_id in (None, pipeline.pk):
            everywhere.lines.append(line)
        elif stage is not None and stage.pk in columns:
            columns[stage.pk].lines.append(line)
    return [everywhere, *columns.values()]


def _acts_in(rule: Rule) -> Stage | None:
    """The stage that is entered, else the one that is left."""
    return rule.stage or rule.from_stage


def _grouped(lines: Sequence[Line]) -> list[Group]:
    """In the order of the board; rules for every pipeline come last."""

    def place(line: Line) -> tuple[int, ...]:
        stage, pipeline = _acts_in(line.rule), _pipeline(line.rule)
        of_pipeline = (0, pipeline.position, pipeline.pk) if pipeline else (1,)
        return (*of_pipeline, *((stage.position, stage.pk) if stage else (-1, 0)))

    return [
        Group(_pipeline(members[0].rule), _acts_in(members[0].rule), members)
        for members in (list(group) for _place, group in groupby(sorted(lines, key=place), key=place))
    ]


def _pipeline(rule: Rule) -> Pipeline | None:
    stage = _acts_in(rule)
    return stage.pipeline if stage else rule.pipeline


@admin_required
@require_POST
def toggle_rule(request: PageRequest, rule_id: int) -> HttpResponse:
    """Switch a rule on or off; what it made already goes on its way. `?card` answers with its card, not its row."""
    found = get_object_or_404(Rule.objects.present(), pk=rule_id)
    problem = ""
    try:
        update_rule(rule_id=found.pk, fields={"enabled": "enabled" in request.POST})
    except RuleError as refusal:
        problem = str(refusal)
    (line,) = _lines(_with_last(Rule.objects.filter(pk=found.pk)))
    template = "_rule_card.html" if "card" in request.GET else "_rule_row.html"
    answer = render(request, f"automations/{template}", {"line": line})
    return trigger_client_event(answer, "toast", {"text": problem, "tone": "bad"}) if problem else answer


@admin_required
@require_POST
def duplicate_rule(request: PageRequest, rule_id: int) -> HttpResponse:
    """Make a copy that is switched off, and open it."""
    found = get_object_or_404(Rule.objects.present(), pk=rule_id)
    try:
        copy = copy_rule(rule_id=found.pk, by=request.user)
    except RuleError as refusal:
        messages.error(request, str(refusal))
        return redirect(found)
    messages.success(request, _("“%(name)s” is switched off until you switch it on.") % {"name": copy.name})
    return redirect(copy)


@admin_required
@require_POST
def order(request: PageRequest) -> HttpResponse:
    """Puts rules in the order of the ids that are sent."""
    order_rules(ids=read_ids(request.POST.getlist("id")))
    return HttpResponse(status=204)
