"""The board of a pipeline, and the pieces of it that a browser asks for later."""

import re
from collections.abc import Collection, Mapping

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm.board import (
    Totals,
    board_columns,
    board_summary,
    column_page,
    stage_totals,
    touched_cards,
)
from crm.cards import Card
from crm.ids import read_ids, read_text_id
from crm.models import Deal, DealQuerySet, Pipeline, SavedView, Stage
from crm.views.access import PageRequest
from crm.views.card_fields import fields_of
from crm.views.filters import BOARD_BUT, FilterBar, filters_of, what_hides
from crm.views.saved import opening

_INDENT = re.compile(r"\n\s+")  # of the templates, some 5 kB of the page


def shown_deals(request: PageRequest) -> DealQuerySet:
    """The deals this person may see, narrowed by the filters in the address."""
    deals = Deal.objects.visible_to(request.user)
    return filters_of(request, but=BOARD_BUT).narrow(deals, now=timezone.now())


def _asked(bar: FilterBar) -> str:
    """What the address says of the cards, as a query string: which deals, and what is shown of them."""
    return f"{bar.query}{bar.kept}".removeprefix("&")


def _bar(request: PageRequest, pipeline: Pipeline | None = None) -> FilterBar:
    return FilterBar(request, filters_of(request, but=BOARD_BUT), layout="board", pipeline=pipeline)


@login_required
@require_safe
def board(request: PageRequest, pipeline_id: int | None = None) -> HttpResponse:
    """One pipeline's board; without a number the view that opens first, else the first pipeline's."""
    if pipeline_id is None and (first := opening(request, SavedView.Layout.BOARD)) is not None:
        return first
    rendered_at = str(timezone.now().timestamp())  # before the reads, so that nothing falls between
    pipelines = list(Pipeline.objects.filter(archived=False))
    pipeline = next((each for each in pipelines if pipeline_id in (None, each.pk)), None)
    if pipeline is None and pipeline_id is None:
        return render(request, "crm/no_board.html")
    if pipeline is None:
        raise Http404
    bar = _bar(request, pipeline)
    visible = Deal.objects.visible_to(request.user)
    columns = board_columns(pipeline, bar.filters.narrow(visible, now=timezone.now()), fields_of(request))
    is_empty = not any(column.totals.count for column in columns)
    context = {
        "pipeline": pipeline,
        "pipelines": pipelines,
        "columns": columns,
        "folded": set(read_ids(request.COOKIES.get("folded", "").split("."))),
        "summary": board_summary(
            [column.stage for column in columns], {column.stage.pk: column.totals for column in columns}
        ),
        "bar": bar,
        "asked": _asked(bar),
        "hiding": what_hides(bar, visible.open().filter(pipeline=pipeline)) if is_empty else [],
        "rendered_at": rendered_at,
    }
    html = render_to_string("crm/board.html", context, request)
    return HttpResponse(_INDENT.sub("\n", html))


@login_required
@require_safe
def more_cards(request: PageRequest, stage_id: int) -> HttpResponse:
    """The next cards of a column, below the rank `?after=`."""
    stage = get_object_or_404(Stage, pk=stage_id)
    after = read_text_id(request.GET.get("after", ""))
    cards, more = column_page(shown_deals(request), stage, fields_of(request), after=after)
    context = {"stage": stage, "cards": cards, "more": more, "asked": _asked(_bar(request))}
    return render(request, "crm/_cards.html", context)


@login_required
@require_safe
def whole_columns(request: PageRequest, pipeline_id: int) -> HttpResponse:
    """All columns again, for a board that was away: `?loaded=STAGE:COUNT` says how many cards it shows."""
    pipeline = get_object_or_404(Pipeline, pk=pipeline_id)
    pairs = [read_ids(pair.split(":", 1)) for pair in request.GET.getlist("loaded")]
    loaded = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    asked = _asked(_bar(request))
    cards = {
        column.stage.pk: render_to_string(
            "crm/_cards.html",
            {"stage": column.stage, "cards": column.cards, "more": column.more, "asked": asked},
            request,
        )
        for column in board_columns(pipeline, shown_deals(request), fields_of(request), loaded=loaded)
    }
    return JsonResponse({"cards": cards, **numbers(request, pipeline)})


@login_required
@require_safe
def touched(request: PageRequest, pipeline_id: int) -> HttpResponse:
    """How the deals `?deal=` stand on this board now."""
    pipeline = get_object_or_404(Pipeline, pk=pipeline_id)
    deal_ids = read_ids(request.GET.getlist("deal"))
    return JsonResponse(touched_answer(request, pipeline, deal_ids))


def touched_answer(request: PageRequest, pipeline: Pipeline, deal_ids: list[int]) -> dict[str, object]:
    """`{"cards": [{"id", "stage", "rank", "version", "html"}], "gone": [ids], "columns": […], "summary": {…}}`.

    `gone` are the deals that are not on this board: closed, moved to another, deleted, or none of the asker's.
    """
    cards = touched_cards(shown_deals(request), deal_ids, pipeline, fields_of(request))
    return {
        "cards": [drawn(card) for card in cards],
        "gone": sorted(set(deal_ids) - {card.id for card in cards}),
        **numbers(request, pipeline),
    }


def drawn(card: Card) -> dict[str, object]:
    """A card as browsers put it into its column."""
    return {
        "id": card.id,
        "stage": card.stage,
        "rank": card.rank,
        "version": card.version,
        "html": card.html,
    }


def numbers(request: PageRequest, pipeline: Pipeline) -> dict[str, object]:
    """Count, sums and share of every column, and the headline, as they are shown."""
    stages = list(pipeline.stages.all())
    return numbers_of(stages, stage_totals(stages, shown_deals(request)))


def numbers_of(stages: Collection[Stage], totals: Mapping[int, Totals]) -> dict[str, object]:
    """The same of totals that are known already."""
    return {
        "columns": [_numbers(stage, totals.get(stage.pk, Totals())) for stage in stages],
        "summary": board_summary(stages, totals),
    }


def _numbers(stage: Stage, totals: Totals) -> dict[str, object]:
    return {
        "stage": stage.pk,
        "count": totals.count,
        "sums": totals.sums,
        "weighted": totals.weighted(stage),
        "stale": totals.stale,
        "over": totals.is_over(stage),
        "share": totals.share,
    }
