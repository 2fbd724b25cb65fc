"""What a pipeline brings in, drawn."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils import timezone
from django.utils.translation import gettext as _

from crm import formats
from crm.charts import Bar, Bars, bar_lengths
from crm.models import Pipeline, Stage
from crm.sales import (
    Amounts,
    Passage,
    main_currency,
    open_by_stage,
    passages,
    won_by_month,
    won_by_owner,
)

LOOK_BACK = timedelta(days=90)


def sales_charts(pipeline: Pipeline, *, now: datetime) -> list[Bars]:
    """Open by stage, won by month, conversion and stay by stage, won by rep: five queries, whatever the number."""
    stages = list(pipeline.stages.all())
    since = now - LOOK_BACK
    passed = passages(pipeline, since=since)
    return [
        _open(stages, open_by_stage(pipeline)),
        _months(won_by_month(pipeline, today=timezone.localdate(now))),
        _conversion(stages, passed),
        _stays(stages, passed),
        _owners(won_by_owner(pipeline, since=since)),
    ]


def _open(stages: Sequence[Stage], found: dict[int, Amounts]) -> Bars:
    rows = [(stage.name, found.get(stage.pk, Amounts())) for stage in stages]
    return _of_amounts("value-by-stage", _("Open value by stage"), _("Stage"), rows)


def _months(found: dict[date, Amounts]) -> Bars:
    rows = [(formats.month(month), amounts) for month, amounts in found.items()]
    return _of_amounts("won-by-month", _("Won by month"), _("Month"), rows)


def _owners(found: dict[str, Amounts]) -> Bars:
    rows = [(name or _("Nobody"), amounts) for name, amounts in found.items()]
    rows.sort(key=lambda row: -max(row[1].sums.values(), default=Decimal()))
    return _of_amounts("won-by-rep", _("Won in 90 days by owner"), _("Owner"), rows)


def _of_amounts(id: str, title: str, head: str, rows: Sequence[tuple[str, Amounts]]) -> Bars:  # noqa: A002  # HTML's name
    """As long as what they are worth in the currency that counts most; the figures tell of all."""
    currency = main_currency(amounts for _name, amounts in rows)
    lengths = bar_lengths([float(amounts.sums.get(currency, 0)) for _name, amounts in rows])
    bars = [
        Bar(name, amounts.text, length, more=[formats.number(amounts.count)])
        for (name, amounts), length in zip(rows, lengths, strict=True)
    ]
    return Bars(id, title, [head, _("Value"), _("Deals")], bars)


def _conversion(stages: Sequence[Stage], passed: dict[int, Passage]) -> Bars:
    bars = []
    for stage in stages:
        passage = passed.get(stage.pk, Passage())
        left = passage.went_on + passage.lost
        text = formats.percent(passage.went_on, of=left) if left else "–"
        share = f"{100 * passage.went_on / left:.1f}" if left else "0"
        more = [formats.number(passage.went_on), formats.number(passage.lost)]
        bars.append(Bar(stage.name, text, share, more=more))
    heads = [_("Stage"), _("Conversion"), _("Went on"), _("Lost")]
    return Bars("conversion", _("Conversion by stage in 90 days"), heads, bars)


def _stays(stages: Sequence[Stage], passed: dict[int, Passage]) -> Bars:
    stays = [passed.get(stage.pk, Passage()).stay for stage in stages]
    lengths = bar_lengths([stay.total_seconds() if stay else 0 for stay in stays])
    bars = [
        Bar(stage.name, formats.stay(stay) if stay else "–", length)
        for stage, stay, length in zip(stages, stays, lengths, strict=True)
    ]
    return Bars("stays", _("Time in stage in 90 days (median)"), [_("Stage"), _("Time in stage")], bars)
