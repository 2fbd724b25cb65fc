"""The board's shape: pipelines and their stages."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.users import User


def validate_may_enter(allowed: Any) -> None:
    """Raise ValidationError unless it is `{"roles": [role, …], "teams": [id, …]}`; either may be left out."""
    if not isinstance(allowed, dict) or not allowed.keys() <= {"roles", "teams"}:
        raise ValidationError(_("Who may enter is written as roles and teams."))
    roles, teams = allowed.get("roles", []), allowed.get("teams", [])
    if not isinstance(roles, list) or not all(role in User.Role.values for role in roles):
        raise ValidationError(_("Roles are %(roles)s."), params={"roles": ", ".join(User.Role.values)})
    if not isinstance(teams, list) or not all(type(team) is int for team in teams):
        raise ValidationError(_("Teams are given by their ids."))


class Pipeline(models.Model):
    """One board."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    archived = models.BooleanField(_("archived"), default=False)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        verbose_name = _("pipeline")
        verbose_name_plural = _("pipelines")

    def __str__(self) -> str:
        return self.name


class Stage(models.Model):
    """One column of a board. Its colour is a number, so that no CSS text is ever stored."""

    pipeline = models.ForeignKey(Pipeline, models.CASCADE, related_name="stages", verbose_name=_("pipeline"))
    name = models.CharField(_("name"), max_length=80)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    hue = models.PositiveSmallIntegerField(
        _("colour"), default=1, validators=[MinValueValidator(1), MaxValueValidator(12)]
    )
    probability = models.PositiveSmallIntegerField(
        _("probability (%)"), default=0, validators=[MaxValueValidator(100)]
    )
    rotting_days = models.PositiveSmallIntegerField(_("rotting after (days)"), null=True, blank=True)
    required_fields = models.JSONField(_("required fields"), default=list, blank=True)
    card_limit = models.PositiveSmallIntegerField(
        _("most open deals"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    limit_is_hard = models.BooleanField(
        _("nothing enters when it is full"),
        default=False,
        help_text=_("Otherwise the board merely says that there are too many."),
    )
    may_go_back = models.BooleanField(_("deals may go back from here"), default=True)
    may_enter = models.JSONField(
        _("who may move deals here"), default=dict, blank=True, validators=[validate_may_enter]
    )

    class Meta:
        ordering: ClassVar = ["position", "id"]
        verbose_name = _("stage")
        verbose_name_plural = _("stages")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["pipeline", "name"], name="a_stage_name_is_unique_within_its_pipeline"
            ),
            models.CheckConstraint(
                condition=models.Q(probability__lte=100), name="a_probability_is_at_most_100"
            ),
            models.CheckConstraint(
                condition=models.Q(hue__gte=1, hue__lte=12), name="a_stage_colour_is_1_to_12"
            ),
        ]

    def __str__(self) -> str:
        return self.name
