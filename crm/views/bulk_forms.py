"""What each verb for many cards asks for, and how it is done then."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from crm.actors import Actor
from crm.deals import Outcome, close_many, move_many, update_many
from crm.deals.verbs import add_note
from crm.models import Deal, LostReason, User
from crm.models.labels import TAG_LENGTH
from crm.views.fields import DayField, MoneyField, StageField


class BulkForm(forms.Form):
    """What a verb needs to know of `deals`."""

    def __init__(self, deals: Sequence[Deal], data: Any = None) -> None:
        super().__init__(data, auto_id="bulk-%s")
        self.deals = deals
        self.prepare()

    def prepare(self) -> None:
        """Fit the fields to the deals."""

    def do(self, deal_ids: Sequence[int], actor: Actor) -> Outcome:
        """Do it with what was filled in. Raises DealError where it can be done to none of them."""
        raise NotImplementedError


class MoveForm(BulkForm):
    stage = StageField(label=gettext_lazy("Stage"), empty="—")

    def prepare(self) -> None:
        self.fields["stage"].required = True

    def do(self, deal_ids: Sequence[int], actor: Actor) -> Outcome:
        return move_many(deal_ids=deal_ids, stage=self.cleaned_data["stage"], actor=actor)


class OwnerForm(BulkForm):
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True), label=gettext_lazy("Owner"), empty_label="—"
    )

    def do(self, deal_ids: Sequence[int], actor: Actor) -> Outcome:
        return update_many(deal_ids=deal_ids, actor=actor, fields={"owner": self.cleaned_data["owner"]})


class TagForm(BulkForm):
    tag = forms.CharField(label=gettext_lazy("Tag"), max_length=TAG_LENGTH)

    def do(self, deal_ids: Sequence[int], actor: Actor) -> Outcome:
        return update_many(deal_ids=deal_ids, actor=actor, fields={}, add_tags=[self.cleaned_data["tag"]])


class WinForm(BulkForm):
    """The value is asked for where there is one deal."""

    value = MoneyField(label=gettext_lazy("Value"))
    closed_on = DayField(label=gettext_lazy("Won on"))

    def prepare(self) -> None:
        self.initial["closed_on"] = timezone.localdate()
        if len(self.deals) == 1:
            self.initial["value"] = self.deals[0].value
        else:
            del self.fields["value"]

    def do(self, deal_ids: Sequence[int], actor: Actor) -> Outcome:
        filled = self.cleaned_data
        return close_many(
            deal_ids=deal_ids,
            actor=actor,
            status=Deal.Status.WON,
            fields={"lost_reason": None} | ({"value": filled["value"]} if "value" in filled else {}),
            closed_on=filled["closed_on"],
        )


class LoseForm(BulkForm):
    lost_reason = forms.ModelChoiceField(
        LostReason.objects.filter(archived=False), label=gettext_lazy("Why lost?"), empty_label="—"
    )

    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def prepare(self) -> None:
        self.fields["lost_reason"].required = LostReason.objects.filter(archived=False).exists()

    @transaction.atomic
    def do(self, deal_ids: Sequence[int], actor: Actor) -> Outcome:
        fields = {"lost_reason": self.cleaned_data["lost_reason"]}
        outcome = close_many(deal_ids=deal_ids, actor=actor, status=Deal.Status.LOST, fields=fields)
        if note := self.cleaned_data["note"]:
            for deal in outcome.changed:
                add_note(deal=deal, body=note, actor=actor)
        return outcome


FORMS: Mapping[str, type[BulkForm]] = {
    "move": MoveForm,
    "owner": OwnerForm,
    "tag": TagForm,
    "win": WinForm,
    "lose": LoseForm,
}
