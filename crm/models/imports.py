"""Files of deals, contacts or companies that people bring along, row by row, and the work on them."""

from typing import ClassVar
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.custom_fields import CustomField
from crm.models.jobs import BackgroundJob


class Import(models.Model):
    """One file and what is to be done with it.

    `mapping` names for each column what it becomes (a `crm.imports.targets.Target`, "" for nothing), `choices` are
    those of `crm.imports.plans.Choices`. `checked` is what a check has found: `{"created", "updated", "skipped",
    "failed": numbers of rows, "problems": [[row, reason], …]}`. All it changes is written into the history under
    `chain`, in rows with ids above `changes_after` and up to `changes_until`; that is what undoing it goes by.
    """

    entity = models.CharField(_("what it holds"), max_length=10, choices=CustomField.Entity)
    file_name = models.CharField(_("file"), max_length=200)
    heads = models.JSONField()
    row_count = models.PositiveIntegerField()
    mapping = models.JSONField(default=list)
    choices = models.JSONField(default=dict)
    checked = models.JSONField(null=True)
    chain = models.UUIDField(default=uuid4)
    changes_after = models.BigIntegerField(default=0)
    changes_until = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="imports"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return f"/imports/{self.pk}/"

    @property
    def run(self) -> "ImportJob | None":
        return self.jobs.filter(kind=ImportJob.Kind.RUN).first()


class ImportRow(models.Model):
    """One row of a file: `number` as spreadsheets count, `cells` as texts, numbers, truths and ISO dates.

    `contact` is the person it was about, so that erasing the person finds it.
    """

    class Outcome(models.TextChoices):
        CREATED = "created", _("Created")
        UPDATED = "updated", _("Updated")
        SKIPPED = "skipped", _("Skipped")
        FAILED = "failed", _("Failed")

    imported = models.ForeignKey(Import, models.CASCADE, related_name="rows", db_index=False)
    number = models.PositiveIntegerField()
    cells = models.JSONField()
    outcome = models.CharField(max_length=7, choices=Outcome, blank=True)
    reason = models.TextField(blank=True)
    contact = models.ForeignKey("crm.Contact", models.SET_NULL, null=True, related_name="import_rows")

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            # Also the index by which an import reads its rows.
            models.UniqueConstraint(fields=["imported", "number"], name="a_row_of_a_file_is_kept_once"),
        ]

    def __str__(self) -> str:
        return f"{self.imported_id}:{self.number}"


class ImportJob(BackgroundJob):
    """What is going on, or went on, with an import.

    `tally` counts rows by their outcome; of an undo it counts records: "removed", "restored" and "kept".
    """

    class Kind(models.TextChoices):
        CHECK = "check", _("Check")
        RUN = "run", _("Import")
        UNDO = "undo", _("Undo")

    imported = models.ForeignKey(Import, models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=5, choices=Kind)
    tally = models.JSONField(default=dict)

    class Meta(BackgroundJob.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["imported"],
                condition=models.Q(state="running"),
                name="an_import_does_one_thing_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["imported"], condition=models.Q(kind="run"), name="an_import_is_run_once"
            ),
        ]
        indexes: ClassVar = [
            # What is still to be done.
            models.Index(fields=["id"], condition=models.Q(state="running"), name="import_job_running"),
        ]
