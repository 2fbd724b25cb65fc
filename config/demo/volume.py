"""Deals by the thousand, for measurements: many, quickly, and the same for the same seed.

They are written past the door, because ten thousand of them would take minutes through it: no rules, no events.
"""

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import cycle, islice

from django.db import transaction
from django.utils import timezone

from config.demo import sales
from crm.actors import Actor
from crm.edits import change_row, tags_named
from crm.models import Change, Company, Contact, Deal, Pipeline, Source, Stage, User
from crm.models.deals import open_door
from crm.ranks import ranks_between

_BATCH = 2000


@transaction.atomic
def generate_deals(*, count: int, pipeline_name: str | None = None, seed: int = 1) -> Pipeline:
    """Add `count` open deals, spread over the stages of a pipeline, below the cards that are there; return it.

    The pipeline is made where there is none of that name; without a name it is the first there is.
    """
    chance = random.Random(seed)  # noqa: S311  # variety, no secret
    pipeline = _pipeline(pipeline_name)
    contacts = _create_contacts(count // 4 + 1, chance=chance)
    deals = [
        deal
        for stage, share in _shares(list(pipeline.stages.all()), count)
        for deal in _deals_of(stage, share, contacts=contacts, chance=chance)
    ]
    with open_door():
        Deal.objects.bulk_create(deals, batch_size=_BATCH)
    _tag(deals, chance=chance)
    _record(deals)
    return pipeline


def _pipeline(name: str | None) -> Pipeline:
    known = Pipeline.objects.filter(archived=False)
    pipeline = (known.filter(name=name) if name else known).first()
    if pipeline is None:
        pipeline = Pipeline.objects.create(name=name or sales.SALES.name, position=Pipeline.objects.count())
    if not pipeline.stages.exists():
        Stage.objects.bulk_create(
            Stage(pipeline=pipeline, name=column.name, position=position, hue=position + 1)
            for position, column in enumerate(sales.SALES.columns)
        )
    return pipeline


def _shares(stages: Sequence[Stage], count: int) -> list[tuple[Stage, int]]:
    """Each stage with its part of `count`, as equal as can be."""
    share, rest = divmod(count, len(stages))
    return [(stage, share + (position < rest)) for position, stage in enumerate(stages)]


def _create_contacts(count: int, *, chance: random.Random) -> list[Contact]:
    companies = Company.objects.bulk_create(
        [Company(name=f"{customer.company} {number}") for number, customer in _customers(count // 2 + 1)],
        batch_size=_BATCH,
    )
    contacts = [
        Contact(
            name=customer.contact,
            company=chance.choice(companies),
            emails=[f"contato{number}@{customer.slug}.example.com"],
            phones=[f"+5511{chance.randint(910_000_000, 999_999_999)}"],
        )
        for number, customer in _customers(count)
    ]
    return Contact.objects.bulk_create(contacts, batch_size=_BATCH)


def _customers(count: int) -> enumerate[sales.Customer]:
    return enumerate(islice(cycle(sales.CUSTOMERS), count), start=1)


def _deals_of(stage: Stage, count: int, *, contacts: Sequence[Contact], chance: random.Random) -> list[Deal]:
    now = timezone.now()
    owners: list[User | None] = [*User.objects.filter(is_active=True).order_by("pk")] or [None]
    sources: list[Source | None] = [*Source.objects.order_by("pk")] or [None]
    lowest = Deal.objects.filter(stage=stage).order_by("-rank").values_list("rank", flat=True).first()
    deals = []
    for rank in ranks_between(lowest, None, count=count):
        contact = chance.choice(contacts)
        entered_at = now - timedelta(days=chance.uniform(0, 20))
        created_at = entered_at - timedelta(days=chance.uniform(0, 40))
        deals.append(
            Deal(
                title=chance.choice(sales.SALES.products),
                pipeline_id=stage.pipeline_id,
                stage=stage,
                value=Decimal(chance.randint(10_000, 9_000_000)) / 100,
                owner=chance.choice(owners),
                contact=contact,
                company=contact.company,
                source=chance.choice(sources),
                rank=rank,
                last_sequence=1,
                stage_entered_at=entered_at,
                created_at=created_at,
                updated_at=entered_at,
            )
        )
    return deals


def _tag(deals: Sequence[Deal], *, chance: random.Random) -> None:
    tags = tags_named(sales.TAGS)
    links = [
        Deal.tags.through(deal_id=deal.pk, tag_id=tag.pk)
        for deal in deals
        for tag in chance.sample(tags, chance.choice([0, 0, 1, 2]))
    ]
    Deal.tags.through.objects.bulk_create(links, batch_size=_BATCH)


def _record(deals: Sequence[Deal]) -> None:
    """The first line of each deal's history."""
    actor, created = Actor.system("generate_deals"), Change.Verb.CREATED
    rows = [change_row(deal, actor=actor, at=deal.created_at, verb=created) for deal in deals]
    Change.objects.bulk_create(rows, batch_size=_BATCH)
