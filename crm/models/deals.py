"""Deals: the cards. A deal is written through `crm.deals` only, whatever road the write came by.

The model itself knows that there is a door but not what stands behind it (verbs import models, never the other
way round): `crm.deals` puts its functions into `Deal.door` when it is loaded.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn, Protocol

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.folding import words_of
from crm.models.users import User
from crm.trigrams import PENDING


class DealsGoThroughTheDoor(TypeError):
    """Raised by a bulk write that would slip past history and rules. Its message names the right call."""


class Door(Protocol):
    """What `crm.deals` offers to writes that arrive as `save()` and `delete()`."""

    def save(self, deal: "Deal", update_fields: Iterable[str] | None) -> None: ...
    def delete(self, deal: "Deal") -> None: ...


_door_is_open: ContextVar[bool] = ContextVar("deal_door_is_open", default=False)


@contextmanager
def open_door() -> Iterator[None]:
    """Let `save`, `delete`, `update` and the bulk writes reach the table. For `crm.deals` alone."""
    token = _door_is_open.set(True)
    try:
        yield
    finally:
        _door_is_open.reset(token)


class DealQuerySet(models.QuerySet["Deal"]):
    """Deals, with the reads that are used in more than one place."""

    def visible_to(self, user: User) -> "DealQuerySet":
        """Everything for administrators and managers; a rep's own deals and those of the rep's team."""
        if user.sees_all_deals:
            return self
        if user.team_id is None:
            return self.filter(owner=user)
        # A subquery, because a join would have to be made for every deal before the first can be shown.
        mates = User.objects.filter(models.Q(pk=user.pk) | models.Q(team=user.team_id))
        return self.filter(owner__in=mates.order_by().values("pk"))

    def open(self) -> "DealQuerySet":
        return self.filter(status=Deal.Status.OPEN)

    def stale(self, *, now: datetime) -> "DealQuerySet":
        """Open deals that have been in their stage for longer than its `rotting_days`."""
        limit = models.ExpressionWrapper(
            models.F("stage_entered_at") + models.F("stage__rotting_days") * timedelta(days=1),
            output_field=models.DateTimeField(),
        )
        return self.open().alias(stale_at=limit).filter(stale_at__lte=now)

    def in_column_order(self) -> "DealQuerySet":
        return self.order_by("rank")

    def update(self, **fields: Any) -> int:
        if not _door_is_open.get():
            _refuse("Deal.objects.update", "crm.deals.move_deal, bulk_move or update_deal")
        return super().update(**fields)

    def bulk_update(self, objs: Iterable["Deal"], *args: Any, **kwargs: Any) -> int:
        if not _door_is_open.get():
            _refuse("Deal.objects.bulk_update", "crm.deals.bulk_move or update_deal")
        return super().bulk_update(objs, *args, **kwargs)

    def bulk_create(self, objs: Iterable["Deal"], *args: Any, **kwargs: Any) -> list["Deal"]:
        if not _door_is_open.get():
            _refuse("Deal.objects.bulk_create", "crm.deals.create_deal")
        return super().bulk_create(objs, *args, **kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete one by one through the door, so that each deletion is recorded and told."""
        if _door_is_open.get():
            return super().delete()
        deals = list(self)
        for deal in deals:
            deal.delete()
        return len(deals), {Deal._meta.label: len(deals)}

    delete.alters_data = True  # type: ignore[attr-defined]  # Django's own flag: no calls from templates
    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own flag: not on the manager


def _refuse(call: str, instead: str) -> NoReturn:
    raise DealsGoThroughTheDoor(
        f"{call} would change deals without history, rules or events. Call {instead} instead."
    )


class Deal(models.Model):
    """One card on the board."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        WON = "won", _("Won")
        LOST = "lost", _("Lost")

    title = models.CharField(_("title"), max_length=200)
    pipeline = models.ForeignKey(
        "crm.Pipeline", models.PROTECT, related_name="deals", editable=False, verbose_name=_("pipeline")
    )
    stage = models.ForeignKey("crm.Stage", models.PROTECT, related_name="deals", verbose_name=_("stage"))
    status = models.CharField(_("status"), max_length=4, choices=Status, default=Status.OPEN)
    value = models.DecimalField(
        _("value"), max_digits=14, decimal_places=2, default=0, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(
        _("currency"),
        max_length=3,
        default="BRL",
        validators=[RegexValidator(r"\A[A-Z]{3}\Z", _("Three capital letters, such as BRL."))],
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="deals",
        verbose_name=_("owner"),
    )
    contact = models.ForeignKey(
        "crm.Contact", models.PROTECT, null=True, blank=True, related_name="deals", verbose_name=_("contact")
    )
    company = models.ForeignKey(
        "crm.Company", models.PROTECT, null=True, blank=True, related_name="deals", verbose_name=_("company")
    )
    source = models.ForeignKey(
        "crm.Source", models.PROTECT, null=True, blank=True, related_name="deals", verbose_name=_("source")
    )
    tags = models.ManyToManyField("crm.Tag", blank=True, related_name="deals", verbose_name=_("tags"))
    # Whether the value follows the products on the deal, until somebody writes another one.
    follows_products = models.BooleanField(default=False, editable=False)
    expected_close_on = models.DateField(_("expected close"), null=True, blank=True)
    lost_reason = models.ForeignKey(
        "crm.LostReason",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="deals",
        verbose_name=_("lost reason"),
    )
    custom_fields = models.JSONField(_("custom fields"), default=dict, blank=True)
    # Collation "C", so that the database orders ranks byte by byte, as crm.ranks does.
    rank = models.CharField(max_length=120, db_collation="C", editable=False)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    last_sequence = models.PositiveIntegerField(default=0, editable=False)
    stage_entered_at = models.DateTimeField(_("in this stage since"), editable=False)
    # Since when it was in the stage it has left, for a move that is taken back.
    entered_former_stage_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), editable=False)
    updated_at = models.DateTimeField(_("updated"), editable=False)
    words = words_of("title")

    objects = DealQuerySet.as_manager()
    door: ClassVar[Door]

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name = _("deal")
        verbose_name_plural = _("deals")
        constraints: ClassVar = [
            # Also the board's index: the cards of one column in order.
            models.UniqueConstraint(fields=["stage", "rank"], name="two_deals_of_a_stage_never_share_a_rank"),
            models.CheckConstraint(condition=models.Q(value__gte=0), name="a_deal_is_worth_nothing_or_more"),
            models.CheckConstraint(
                condition=models.Q(status="open", closed_at__isnull=True)
                | (~models.Q(status="open") & models.Q(closed_at__isnull=False)),
                name="a_deal_is_closed_when_it_is_won_or_lost",
            ),
        ]
        indexes: ClassVar = [
            # First cards of a column: open deals of one stage by rank.
            models.Index(
                fields=["stage", "rank"], condition=models.Q(status="open"), name="deal_board_column"
            ),
            # Count, sum and number of stale deals of each column in one grouped query, from the index alone.
            models.Index(
                fields=["pipeline", "stage", "currency", "value", "stage_entered_at"],
                condition=models.Q(status="open"),
                name="deal_board_totals",
            ),
            # Which deals have been in their stage for too long?
            models.Index(
                fields=["stage", "stage_entered_at"], condition=models.Q(status="open"), name="deal_stale"
            ),
            # What was won or lost since a day.
            models.Index(fields=["closed_at"], condition=~models.Q(status="open"), name="deal_closed"),
            # The deals list, newest first.
            models.Index(fields=["-created_at", "-id"], name="deal_newest_first"),
            # Search, and the filter on text: pieces of the title.
            GinIndex(
                fields=["words"],
                opclasses=["gin_trgm_ops"],
                gin_pending_list_limit=PENDING,
                name="deal_by_words",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write through the door: history, version and events as if a person had done it on the board."""
        if _door_is_open.get():
            super().save(*args, **kwargs)
        else:
            Deal.door.save(self, kwargs.get("update_fields"))

    def get_absolute_url(self) -> str:
        return f"/deals/{self.pk}/"

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete through the door, so that history and receivers learn of it."""
        if _door_is_open.get():
            return super().delete(*args, **kwargs)
        Deal.door.delete(self)
        return 1, {Deal._meta.label: 1}
