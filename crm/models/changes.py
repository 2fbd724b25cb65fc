"""The history: one row a change, never edited."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Change(models.Model):
    """What changed, from what, to what, by whom and through what.

    The object is named by kind and id without a foreign key, so that the history of something deleted stays. Of a merge
    both tell: the one that stayed, with the other as it was in `before`, and the one that is gone, with the first in
    `after`.
    """

    class Entity(models.TextChoices):
        DEAL = "deal", _("Deal")
        CONTACT = "contact", _("Contact")
        COMPANY = "company", _("Company")

    class Verb(models.TextChoices):
        CREATED = "created", _("Created")
        CHANGED = "changed", _("Changed")
        DELETED = "deleted", _("Deleted")
        MERGED = "merged", _("Merged")

    entity = models.CharField(_("entity"), max_length=10, choices=Entity)
    object_id = models.BigIntegerField(_("object id"))
    verb = models.CharField(_("verb"), max_length=10, choices=Verb, default=Verb.CHANGED)
    field = models.CharField(_("field"), max_length=80, blank=True)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"), null=True)
    actor_kind = models.CharField(_("actor kind"), max_length=10)
    actor_id = models.BigIntegerField(_("actor id"), null=True)
    actor_name = models.CharField(_("actor name"), max_length=160)
    chain = models.UUIDField(_("chain"))
    at = models.DateTimeField(_("at"))

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        verbose_name = _("change")
        verbose_name_plural = _("history")
        indexes: ClassVar = [
            # The timeline of one object, newest first.
            models.Index(fields=["entity", "object_id", "-at"], name="change_timeline"),
            # All moves between stages since a day.
            models.Index(
                fields=["at"], condition=models.Q(entity="deal", field="stage"), name="change_moves"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.object_id}: {self.field or self.verb}"
