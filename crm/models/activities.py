"""What people did or must do for a deal: tasks, meetings, e-mails, notes, and telephone calls."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.folding import Folded
from crm.models.deals import Deal
from crm.trigrams import PENDING

if TYPE_CHECKING:
    from crm.models.users import User


class ActivityQuerySet(models.QuerySet["Activity"]):
    """Activities, with the reads that are used in more than one place."""

    def visible_to(self, user: "User") -> "ActivityQuerySet":
        """Those of the deals one sees; of contacts everybody's for who sees all deals, else one's own."""
        mine = models.Q(deal__in=Deal.objects.visible_to(user).order_by().values("pk"))
        no_deal = models.Q(deal=None)
        return self.filter(mine | (no_deal if user.sees_all_deals else no_deal & models.Q(assignee=user)))

    def planned(self) -> "ActivityQuerySet":
        return self.filter(done_at=None)

    def overdue(self, *, now: datetime) -> "ActivityQuerySet":
        return self.planned().filter(due_at__lt=now)


class Activity(models.Model):
    """Something planned (due, not yet done) or something that happened (done), with a deal or with a contact alone.

    Written through `crm.activities`. A note is done at once.
    """

    class Kind(models.TextChoices):
        TASK = "task", _("Task")
        MEETING = "meeting", _("Meeting")
        EMAIL = "email", _("E-mail")
        NOTE = "note", _("Note")

    deal = models.ForeignKey(
        "crm.Deal", models.CASCADE, null=True, blank=True, related_name="activities", verbose_name=_("deal")
    )
    contact = models.ForeignKey(
        "crm.Contact",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="activities",
        verbose_name=_("contact"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.TASK)
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    body = models.TextField(_("text"), blank=True)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    # Minutes before `due_at`, none where nobody is to be reminded.
    reminder = models.PositiveIntegerField(_("reminder"), null=True, blank=True, default=0)
    # When the reminder is sent; emptied as it is.
    remind_at = models.DateTimeField(null=True, editable=False)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="activities",
        verbose_name=_("assignee"),
    )
    created_by = models.JSONField(_("created by"), default=dict, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Who changed it last and when, for whoever changes it at the same time.
    changed_by = models.JSONField(default=dict, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False)

    objects = ActivityQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(deal__isnull=False, contact__isnull=True)
                | models.Q(deal__isnull=True, contact__isnull=False),
                name="an_activity_is_with_a_deal_or_with_a_contact_alone",
                violation_error_message=_("Choose either a deal or a contact."),
            )
        ]
        indexes: ClassVar = [
            # The next activity of each card on the board.
            models.Index(
                fields=["deal", "due_at"],
                condition=models.Q(done_at__isnull=True, due_at__isnull=False),
                name="activity_next_of_a_deal",
            ),
            # A person's day, and how much of it is overdue.
            models.Index(
                fields=["assignee", "due_at"],
                condition=models.Q(done_at__isnull=True),
                name="activity_of_a_person",
            ),
            # What a person did today.
            models.Index(
                fields=["assignee", "done_at"],
                condition=models.Q(done_at__isnull=False),
                name="activity_done_by_a_person",
            ),
            # Everybody's lists and the calendar.
            models.Index(fields=["due_at", "id"], name="activity_by_due"),
            # Reminders that have come due.
            models.Index(
                fields=["remind_at"],
                condition=models.Q(remind_at__isnull=False, done_at__isnull=True),
                name="activity_to_remind",
            ),
            # The filter on text: pieces of the subject.
            GinIndex(
                OpClass(Folded("subject"), name="gin_trgm_ops"),
                gin_pending_list_limit=PENDING,
                name="activity_by_words",
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.get_kind_display()

    def is_overdue(self, *, now: datetime) -> bool:
        return self.done_at is None and self.due_at is not None and self.due_at < now


class CallQuerySet(models.QuerySet["Call"]):
    """Calls, with the reads that are used in more than one place."""

    def audible_to(self, user: "User") -> "CallQuerySet":
        """Whose recordings the person may hear: those of the deals one sees, and of no deal those one spoke oneself."""
        mine = models.Q(deal__in=Deal.objects.visible_to(user).order_by().values("pk"))
        no_deal = models.Q(deal=None)
        return self.filter(mine | (no_deal if user.sees_all_deals else no_deal & models.Q(agent=user)))


class Call(models.Model):
    """A telephone call, as a telephony system reported it. Written through `crm.calls`, its recording's state through
    `crm.recordings`."""

    class Direction(models.TextChoices):
        IN = "in", _("Incoming")
        OUT = "out", _("Outgoing")

    class RecordingState(models.TextChoices):
        NONE = "", _("No recording")
        WAITING = "waiting", _("Waiting to be downloaded")
        DOWNLOADING = "downloading", _("Being downloaded")
        KEPT = "kept", _("Kept")
        FAILED = "failed", _("Could not be downloaded")

    deal = models.ForeignKey(
        "crm.Deal", models.CASCADE, null=True, blank=True, related_name="calls", verbose_name=_("deal")
    )
    contact = models.ForeignKey(
        "crm.Contact", models.SET_NULL, null=True, blank=True, related_name="calls", verbose_name=_("contact")
    )
    # Empty until it is told: the reports of a call come in any order, and not each says it.
    direction = models.CharField(_("direction"), max_length=3, choices=Direction, blank=True)
    from_number = models.CharField(_("from"), max_length=20, blank=True)
    to_number = models.CharField(_("to"), max_length=20, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    duration_seconds = models.PositiveIntegerField(_("duration (s)"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=40, blank=True)
    recording_url = models.URLField(_("recording"), max_length=2000, blank=True)
    recording_file = models.FileField(_("recording file"), upload_to="recordings/%Y/%m/", blank=True)
    system = models.CharField(_("system"), max_length=60, blank=True)
    external_id = models.CharField(_("external id"), max_length=200, blank=True)
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="calls",
        verbose_name=_("agent"),
    )
    # The newest event that was reported of it, against which an older one only fills in what is not known.
    reported_at = models.DateTimeField(null=True, editable=False)
    # When listeners were told that there is a recording, which happens once.
    recording_told_at = models.DateTimeField(null=True, editable=False)
    recording_state = models.CharField(
        _("recording"), max_length=11, choices=RecordingState, default=RecordingState.NONE, editable=False
    )
    recording_system = models.CharField(
        max_length=60, blank=True, editable=False
    )  # who told of it, "" for people
    recording_type = models.CharField(
        max_length=40, blank=True, editable=False
    )  # "audio/mpeg", by its content
    recording_problem = models.CharField(max_length=200, blank=True, editable=False)  # of the last try
    recording_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    recording_due_at = models.DateTimeField(
        null=True, editable=False
    )  # the next try, or the end of this one's lease
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-started_at", "-id"]
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["system", "external_id"],
                condition=~models.Q(external_id=""),
                name="a_call_is_known_once_per_system",
            )
        ]
        indexes: ClassVar = [
            # Recordings to be downloaded, the longest waiting first.
            models.Index(
                fields=["recording_due_at"],
                condition=models.Q(recording_state__in=["waiting", "downloading"]),
                name="call_recording_due",
            ),
        ]

    def __str__(self) -> str:
        return " → ".join(filter(None, [self.from_number, self.to_number])) or str(_("Call"))

    @property
    def other_number(self) -> str:
        """The number of the other side, as far as it is known."""
        if self.direction == self.Direction.OUT:
            return self.to_number
        return self.from_number

    @property
    def happened_at(self) -> datetime:
        return self.started_at or self.created_at
