"""Every request that came for an endpoint, kept with what became of it."""

from typing import ClassVar
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.ids import IdField, time_ordered_id


def new_request_id() -> str:
    return time_ordered_id("req")


class RequestQuerySet(models.QuerySet["InboundRequest"]):
    """Requests, with the reads that are used in more than one place."""

    def newest_first(self) -> "RequestQuerySet":
        return self.order_by("-received_at", "-id")

    def waiting(self) -> "RequestQuerySet":
        """Stored and not yet applied."""
        return self.filter(state=InboundRequest.State.RECEIVED)

    def to_review(self) -> "RequestQuerySet":
        """Waiting for a person to choose the deal."""
        return self.waiting().filter(reason=InboundRequest.Reason.REVIEW)

    def left_undone(self) -> "RequestQuerySet":
        """Not applied, for what may be mended since: what was rejected for its content, given up, or came too early."""
        reasons = InboundRequest.Reason
        rejected = models.Q(state="rejected", reason__in=(reasons.INVALID, reasons.NO_MATCH))
        early = models.Q(state="ignored", reason=reasons.SETTING_UP)
        return self.filter(rejected | early | models.Q(state="failed"))

    def of_deal(self, deal_id: int) -> "RequestQuerySet":
        """Those that were about a deal, alone or among others."""
        return self.filter(models.Q(deal=deal_id) | models.Q(deals__contains=[deal_id]))


class InboundRequest(models.Model):
    """One request. Its state changes in `webhooks.requests` only."""

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        APPLIED = "applied", _("Applied")
        DUPLICATE = "duplicate", _("Duplicate")
        REJECTED = "rejected", _("Rejected")
        FAILED = "failed", _("Failed")
        IGNORED = "ignored", _("Ignored")

    class Reason(models.TextChoices):
        """Why a request was not applied."""

        METHOD = "method", _("This method is not taken.")
        DISABLED = "disabled", _("The endpoint is switched off.")
        SETTING_UP = "setting_up", _("The endpoint is still being set up.")
        ADDRESS = "address", _("The sender's address is not allowed.")
        RATE = "rate", _("Too many requests in one minute.")
        SIZE = "size", _("The body is too large.")
        CONTENT_TYPE = "content_type", _("A body of this type is not read.")
        ORIGIN = "origin", _("The page it was sent from is not allowed.")
        SIGNATURE = "signature", _("The signature or token is missing, wrong or too old.")
        MALFORMED = "malformed", _("The body is not what it is declared to be.")
        INVALID = "invalid", _("The content is not valid.")
        NO_MATCH = "no_match", _("No deal matches.")
        HANDSHAKE = "handshake", _("The sender only asked whether the address is right.")
        HONEYPOT = "honeypot", _("The field that people do not see was filled in.")
        STALE = "stale", _("Something newer was applied already.")
        NOT_WANTED = "not_wanted", _("The mapping says that there is nothing to do.")
        REVIEW = "review", _("Several deals match: somebody has to choose.")
        ERASED = "erased", _("The person it was about was erased.")
        ERROR = "error", _("Something went wrong on our side.")

    id = IdField(primary_key=True, max_length=36, default=new_request_id, editable=False)
    endpoint = models.ForeignKey(
        "webhooks.InboundEndpoint", models.PROTECT, related_name="requests", verbose_name=_("endpoint")
    )
    received_at = models.DateTimeField(_("received"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.RECEIVED)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True)
    dedupe_key = models.CharField(_("recognised by"), max_length=300, blank=True)
    holds_key = models.BooleanField(default=False)
    errors = models.JSONField(_("errors"), default=list, blank=True)  # [{"code", "path", "message"}]
    detail = models.CharField(max_length=200, blank=True)  # what the reason alone does not say
    changes = models.JSONField(_("changes"), default=dict, blank=True)  # {"deal.stage": [before, after]}
    # Which deal a person chose, by the number of the record: {"0": 7}, None for a new one.
    decisions = models.JSONField(default=dict, blank=True, editable=False)
    deal = models.ForeignKey(
        "crm.Deal",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="inbound_requests",
        verbose_name=_("deal"),
    )
    # All of them, where a request was about several deals.
    deals = ArrayField(models.BigIntegerField(), default=list, blank=True, editable=False)
    first_request = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="repeats",
        verbose_name=_("first request"),
    )
    method = models.CharField(_("method"), max_length=7, default="POST")
    query = models.CharField(_("query"), max_length=2000, blank=True)  # secrets masked
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    content_type = models.CharField(_("content type"), max_length=200, blank=True)
    body = models.BinaryField(_("body"), default=b"", editable=True)
    remote_address = models.CharField(_("sender's address"), max_length=45, blank=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    chain = models.UUIDField(default=uuid4, editable=False)
    depth = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = RequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("inbound request")
        verbose_name_plural = _("inbound requests")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["endpoint", "dedupe_key"],
                condition=models.Q(holds_key=True),
                name="one_request_per_endpoint_holds_a_key",
            )
        ]
        indexes: ClassVar = [
            # The log of one endpoint, newest first, and how many came in the last minute.
            models.Index(fields=["endpoint", "-received_at", "-id"], name="request_log_of_an_endpoint"),
            # The log of all endpoints, newest first.
            models.Index(fields=["-received_at", "-id"], name="request_log"),
            # The log of one state, newest first, and how many there are: of all but the usual one, which the log of
            # all finds as fast.
            models.Index(
                fields=["state", "-received_at", "-id"],
                condition=models.Q(state__in=["received", "duplicate", "rejected", "failed", "ignored"]),
                name="request_log_of_a_state",
            ),
            # What the sweeper takes up: stored, not yet applied.
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="received"), name="request_waiting"
            ),
            # The timeline of a deal.
            models.Index(
                fields=["deal", "-received_at"],
                condition=models.Q(deal__isnull=False),
                name="request_of_a_deal",
            ),
            # Retention: what is done with and still has its body, oldest first.
            models.Index(
                fields=["received_at"],
                condition=~models.Q(state="received") & ~models.Q(body=b""),
                name="request_with_a_body",
            ),
            # The timeline of a deal, for requests about several.
            GinIndex(fields=["deals"], condition=~models.Q(deals=[]), name="request_of_several_deals"),
            # What a person has to decide, oldest first.
            models.Index(
                fields=["received_at"],
                condition=models.Q(state="received", reason="review"),
                name="request_to_review",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return f"/webhooks/requests/{self.pk}/"

    @property
    def version(self) -> str:
        """What a page that shows it compares to notice that it has moved on."""
        return f"{self.state}-{self.reason}"

    @property
    def is_emptied(self) -> bool:
        """Whether its body and headers were removed: no request comes without headers."""
        return not self.body and not self.headers
