"""Files that were put on deals."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class DealFile(models.Model):
    """A file of a deal, written through `crm.files`.

    The row is there before the bytes are, and as long as they are: one without a deal is a file that is still arriving,
    whose process died, that was deleted, or whose deal was. So nothing in the storage is without a row that a sweep
    finds.
    """

    deal = models.ForeignKey(
        "crm.Deal", models.SET_NULL, null=True, related_name="files", verbose_name=_("deal")
    )
    name = models.CharField(_("name"), max_length=200)
    stored_as = models.CharField(max_length=200, unique=True)
    size = models.PositiveBigIntegerField(_("size"))
    created_by = models.JSONField(_("created by"), default=dict, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes: ClassVar = [
            # What is to be swept away.
            models.Index(
                fields=["created_at"], condition=models.Q(deal__isnull=True), name="file_without_a_deal"
            ),
        ]

    def __str__(self) -> str:
        return self.name
