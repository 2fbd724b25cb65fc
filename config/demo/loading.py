"""Loads the demo through the same doors as everybody, then gives it a past.

The doors write everything as of now, which would leave a board where nothing is late; so the dates, and only they,
are set afterwards.
"""

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from stdnum.br import cnpj

from automations.destinations import create_destination
from automations.models import Destination, Event
from automations.rules import create_rule
from config.demo import sales
from config.demo.accounts import LOGINS, demo_is_loaded
from config.demo.plans import load_calls, load_plans
from config.demo.products import load_products
from crm.actors import Actor
from crm.contacts import create_company, create_contact
from crm.deals import create_deal, lose_deal, move_deal, win_deal
from crm.models import (
    Activity,
    Change,
    Contact,
    CustomField,
    Deal,
    LostReason,
    Pipeline,
    Source,
    Stage,
    Team,
    User,
)
from crm.models.deals import open_door
from webhooks.endpoints import create_endpoint

ERP_NAME = "ERP (demonstração)"
ZONE = ZoneInfo("America/Sao_Paulo")
_LOCK = 7_231_004  # any number that nothing else locks
_TEAMS = {"bruna@example.com": "Novos negócios", "diego@example.com": "Novos negócios"}
_OTHER_TEAM = "Carteira"

Item = TypeVar("Item")


@transaction.atomic
def load_demo() -> bool:
    """Load the demo, unless it is there already; says whether it did. Of two calls at once the second waits.

    Raises DestinationError where no destination on this machine is allowed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    if demo_is_loaded():
        return False
    users = [_create_user(number) for number in range(len(LOGINS))]
    _create_vocabularies()
    team = _Team(
        now=timezone.now(),
        admin=users[0],
        sellers=users[1:],
        customers=_create_customers(Actor.user(users[0])),
    )
    for board in (sales.SALES, sales.RENEWALS):
        team.fill(_create_pipeline(board), board)
    team.plan_activities()
    load_products(actor=Actor.user(users[0]), now=team.now)
    load_plans(now=team.now, zone=ZONE)
    load_calls(now=team.now)
    _connect_erp(users[0])  # last, so that nothing of the above is sent
    return True


def _create_user(number: int) -> User:
    login = LOGINS[number]
    team, _created = Team.objects.get_or_create(name=_TEAMS.get(login.email, _OTHER_TEAM))
    return User.objects.create_user(
        login.email,
        login.password,
        name=login.name,
        role=login.role,
        team=team if login.role == User.Role.REP else None,
        language=User.Language.PORTUGUESE,
        time_zone=ZONE.key,
    )


def _create_vocabularies() -> None:
    for name in sales.SOURCES:
        Source.objects.get_or_create(name=name)
    for name in sales.LOST_REASONS:
        LostReason.objects.get_or_create(name=name)
    deal, choice = CustomField.Entity.DEAL, CustomField.Type.CHOICE
    fields = [
        CustomField(entity=deal, key="segmento", label="Segmento", type=choice, options=sales.SEGMENTS),
        CustomField(entity=deal, key="usuarios", label="Usuários", type=CustomField.Type.NUMBER, position=1),
        CustomField(entity=deal, key="prazo", label="Prazo", type=choice, options=sales.TERMS, position=2),
    ]
    CustomField.objects.bulk_create(fields)


def _create_customers(actor: Actor) -> list[Contact]:
    return [
        _create_customer(number, customer, actor=actor) for number, customer in enumerate(sales.CUSTOMERS)
    ]


def _create_customer(number: int, customer: sales.Customer, *, actor: Actor) -> Contact:
    domain = f"{customer.slug}.example.com"
    digits = f"{90_100_000 + number * 137}0001"
    company = create_company(
        actor=actor,
        fields={
            "name": customer.company,
            "domain": domain,
            "tax_id": digits + cnpj.calc_check_digits(digits),
        },
    )
    first_name = customer.contact.split()[customer.contact.startswith("Dr")].lower()
    mailbox = unicodedata.normalize("NFKD", first_name).encode("ascii", "ignore").decode()
    return create_contact(
        actor=actor,
        fields={
            "name": customer.contact,
            "emails": [f"{mailbox}@{domain}"],
            "phones": [f"+55119555001{number:02}"],
            "company": company,
            "job_title": customer.job_title,
        },
    )


def _create_pipeline(board: sales.Board) -> Pipeline:
    pipeline = Pipeline.objects.create(name=board.name, position=Pipeline.objects.count())
    Stage.objects.bulk_create(
        Stage(
            pipeline=pipeline,
            name=column.name,
            position=position,
            hue=position + 1,
            probability=column.probability,
            rotting_days=column.rotting_days,
        )
        for position, column in enumerate(board.columns)
    )
    return pipeline


def _connect_erp(admin: User) -> None:
    """Two rules to the demo ERP, and the endpoint that it answers to."""
    endpoint = create_endpoint(
        fields={
            "name": ERP_NAME,
            "verification": {"scheme": "standard_webhooks"},
            "default_pipeline": Pipeline.objects.get(name=sales.SALES.name),
        },
        created_by=admin,
    )
    destination = create_destination(
        fields={
            "name": ERP_NAME,
            "url": f"http://127.0.0.1:{settings.DEMO_ERP_PORT}/webhooks",
            "paired_endpoint": endpoint,
        }
    )
    for name in ("Proposta", "Fechamento"):
        _create_rule(name, destination, admin)


def _create_rule(stage_name: str, destination: Destination, admin: User) -> None:
    stage = Stage.objects.get(pipeline__name=sales.SALES.name, name=stage_name)
    fields = {
        "name": f"{stage_name}: avisar o ERP",
        "event": Event.DEAL_STAGE_CHANGED,
        "pipeline": stage.pipeline,
        "stage": stage,
        "destination": destination,
    }
    create_rule(fields=fields, by=admin)


@dataclass
class _Team:
    """The team at work. What varies from deal to deal is drawn with a fixed seed: every demo is the same."""

    now: datetime
    admin: User
    sellers: Sequence[User]
    customers: Sequence[Contact]

    def __post_init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311  # variety, no secret
        self._turn = 0

    def fill(self, pipeline: Pipeline, board: sales.Board) -> None:
        """Deals in every column, and closed ones."""
        stages = list(pipeline.stages.all())
        for position, column in enumerate(board.columns):
            for _number in range(column.deals):
                # A few have been in their stage for longer than they should.
                days = self._random.uniform(0.1, column.rotting_days * 1.3)
                self._bring(stages[: position + 1], board, rested=timedelta(days=days))
        for number in range(board.won + board.lost):
            reached = len(stages) if number < board.won else self._random.randint(1, len(stages))
            closed_at = self.now - timedelta(days=self._random.uniform(1, 40))
            deal = self._bring(stages[:reached], board, rested=self.now - closed_at + timedelta(days=2))
            self._close(deal, won=number < board.won, at=closed_at)

    def plan_activities(self) -> None:
        """For most open deals something to do: some of it late, some today, the rest in the days to come."""
        deals = list(Deal.objects.open().select_related("owner").order_by("pk"))
        activities = [self._plan(deal) for deal in deals if self._random.random() < 0.7]
        Activity.objects.bulk_create(activities)
        notes = [self._note(deal) for deal in deals if self._random.random() < 0.5]
        for note in Activity.objects.bulk_create(notes):  # which sets the date, as every insert does
            note.created_at = note.done_at or note.created_at
        Activity.objects.bulk_update(notes, ["created_at"])

    def _bring(self, path: Sequence[Stage], board: sales.Board, *, rested: timedelta) -> Deal:
        """A deal that came along the stages of `path` and has been in the last one for the time `rested`."""
        contact = self.customers[self._turn % len(self.customers)]
        seller = self.sellers[self._turn % len(self.sellers)]
        self._turn += 1
        actor, at = Actor.user(seller), self.now - rested
        first, *later = sorted(
            at - timedelta(days=step * self._random.uniform(2, 6)) for step in range(len(path))
        )
        deal = create_deal(
            actor=actor,
            stage=path[0],
            title=self._product(board),
            fields={**self._fields(), "contact": contact, "company": contact.company, "owner": seller},
        )
        self._date(deal, first, "created_at", "stage_entered_at")
        for stage, moment in zip(path[1:], later, strict=True):
            deal = move_deal(deal_id=deal.pk, stage=stage, actor=actor)
            self._date(deal, moment, "stage_entered_at")
        return deal

    def _product(self, board: sales.Board) -> str:
        """Neighbours on the board want different things, and so does a customer who comes again."""
        rounds, turn = divmod(self._turn, len(self.customers))
        return board.products[(turn * 7 + rounds) % len(board.products)]

    def _fields(self) -> dict[str, object]:
        days_ahead = self._random.randint(5, 75)
        return {
            "value": self._random.randint(18, 640) * 100,
            "source": Source.objects.get(name=self._any(sales.SOURCES)),
            # One at most: a card shows two, and the ERP will add one.
            "tags": self._random.sample(sales.TAGS, self._any([0, 1, 1])),
            "expected_close_on": (self.now.astimezone(ZONE) + timedelta(days=days_ahead)).date(),
            "custom_fields": {
                "segmento": self._any(sales.SEGMENTS),
                "usuarios": self._random.randint(3, 120),
                "prazo": self._any(sales.TERMS),
            },
        }

    def _close(self, deal: Deal, *, won: bool, at: datetime) -> None:
        if won:
            win_deal(deal_id=deal.pk, actor=Actor.user(self.admin))
        else:
            reason = LostReason.objects.get(name=self._any(sales.LOST_REASONS))
            lose_deal(deal_id=deal.pk, lost_reason=reason, actor=Actor.user(self.admin))
        self._date(deal, at, "closed_at")

    def _date(self, deal: Deal, at: datetime, *columns: str) -> None:
        """Date back what the last verb wrote: the history since we began to load, and these columns."""
        history = Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk)
        history.filter(at__gte=self.now).update(at=at)
        # No verb can do this, because nobody but the demo may: no stage, status or rank is touched.
        with open_door():
            Deal.objects.filter(pk=deal.pk).update(updated_at=at, **dict.fromkeys(columns, at))

    def _plan(self, deal: Deal) -> Activity:
        day = self.now.astimezone(ZONE) + timedelta(days=self._any([-3, -1, 0, 0, 0, 1, 1, 2, 3, 5, 8]))
        kind = self._any([Activity.Kind.TASK, Activity.Kind.TASK, Activity.Kind.MEETING])
        return Activity(
            deal=deal,
            kind=kind,
            subject=self._any(sales.TASKS if kind == Activity.Kind.TASK else sales.MEETINGS),
            due_at=day.replace(hour=self._random.randint(9, 17), minute=0, second=0, microsecond=0),
            assignee=deal.owner,
            created_by=Actor.user(deal.owner or self.admin).as_json(),
        )

    def _note(self, deal: Deal) -> Activity:
        return Activity(
            deal=deal,
            kind=Activity.Kind.NOTE,
            body=self._any(sales.NOTES),
            done_at=deal.stage_entered_at + (self.now - deal.stage_entered_at) * self._random.random(),
            created_by=Actor.user(deal.owner or self.admin).as_json(),
        )

    def _any(self, items: Sequence[Item]) -> Item:
        return self._random.choice(items)
