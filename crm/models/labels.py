"""Short vocabularies a deal is described with: tags, sources, reasons for a loss."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

TAG_LENGTH = 60


class Tag(models.Model):
    """A word on a card or a contact. Unknown tags are made on first use."""

    name = models.CharField(_("name"), max_length=TAG_LENGTH)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="one_tag_per_name_whatever_its_case")
        ]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """Where a deal came from."""

    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("source")
        verbose_name_plural = _("sources")

    def __str__(self) -> str:
        return self.name


class LostReason(models.Model):
    """Why a deal was lost."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    archived = models.BooleanField(_("archived"), default=False)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("lost reason")
        verbose_name_plural = _("lost reasons")

    def __str__(self) -> str:
        return self.name
