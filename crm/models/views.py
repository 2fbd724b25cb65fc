"""Saved views: filters, columns and order under a name, for oneself or for everybody."""

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from crm.models.users import User


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Views, with the reads that are used in more than one place."""

    def offered_to(self, user: "User") -> "SavedViewQuerySet":
        """One's own and those that others share. A view shows nobody a deal that is not theirs to see."""
        return self.filter(models.Q(owner=user.pk) | models.Q(shared=True))


class SavedView(models.Model):
    """What a board or a list shows, under a name. `query` holds the filters, as they stand in an address."""

    class Layout(models.TextChoices):
        BOARD = "board", _("Board")
        LIST = "list", _("List")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=60)
    shared = models.BooleanField(_("shared"), default=False)
    layout = models.CharField(_("layout"), max_length=5, choices=Layout)
    pipeline = models.ForeignKey(
        "crm.Pipeline", models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("pipeline")
    )
    query = models.TextField(_("filters"), blank=True, max_length=4000)
    columns = models.JSONField(_("columns"), default=list, blank=True)
    sort = models.CharField(_("order"), max_length=80, blank=True)
    opens_for = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="opening_views", verbose_name=_("opens first for")
    )

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints: ClassVar = [
            models.UniqueConstraint(
                "owner", "layout", Lower("name"), name="a_person_has_one_view_of_a_name_per_layout"
            ),
            models.CheckConstraint(
                condition=models.Q(pipeline__isnull=False) | ~models.Q(layout="board"),
                name="a_view_of_a_board_has_a_pipeline",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        path = f"/pipelines/{self.pipeline_id}/" if self.layout == self.Layout.BOARD else "/deals/"
        columns = f"columns={','.join(self.columns)}" if self.columns else ""
        sort = f"sort={self.sort}" if self.sort else ""
        return f"{path}?{'&'.join(filter(None, [self.query, columns, sort, f'view={self.pk}']))}"
