"""What can be written down on a deal's page: a note, a call, files. Each is a form of its own."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.activities import EARLIEST
from crm.files import LARGEST
from crm.models import Call, Deal
from crm.phones import to_e164
from crm.views.fields import at_most

_LONGEST_CALL = 24 * 60  # minutes


class NoteForm(forms.Form):
    body = forms.CharField(label=gettext_lazy("Note"), widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, deal: Deal, data: Any = None) -> None:
        super().__init__(data, auto_id="note-%s")
        self.fields["body"].widget.attrs |= {
            "placeholder": _("Write a note… @ names somebody"),
            "data-mentions": reverse("deal-mentions", args=[deal.pk]),
            "aria-autocomplete": "list",
            "aria-controls": "mentions",
        }


class CallForm(forms.Form):
    """A call that no telephony system reported."""

    direction = forms.ChoiceField(label=gettext_lazy("Direction"), choices=Call.Direction.choices[::-1])
    number = forms.CharField(
        label=gettext_lazy("Phone"),
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "list": "call-numbers", "autocomplete": "off"}),
    )
    started_at = forms.DateTimeField(
        label=gettext_lazy("When"),
        input_formats=["%Y-%m-%dT%H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"), min_value=0, max_value=_LONGEST_CALL, required=False
    )
    status = forms.ChoiceField(
        label=gettext_lazy("Outcome"),
        choices=[
            ("answered", gettext_lazy("answered")),
            ("no answer", gettext_lazy("not answered")),
            ("busy", gettext_lazy("busy")),
        ],
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        widget=forms.Textarea(
            attrs={
                "rows": 2,
                "placeholder": gettext_lazy("What was said?"),
                "aria-label": gettext_lazy("Note"),
            }
        ),
    )

    def __init__(self, deal: Deal, data: Any = None) -> None:
        phones = deal.contact.phones if deal.contact else []
        initial = {"started_at": timezone.localtime(), "number": phones[0] if phones else ""}
        super().__init__(data, initial=initial, auto_id="call-%s")

    def clean_number(self) -> str:
        try:
            return to_e164(self.cleaned_data["number"])
        except ValueError as error:
            raise ValidationError(_("This is no phone number.")) from error

    def clean_started_at(self) -> Any:
        started_at = self.cleaned_data["started_at"]
        if started_at > timezone.now() + timedelta(minutes=1):
            raise ValidationError(_("This is still to come."))
        if started_at < EARLIEST:
            raise ValidationError(_("Not a time between 1970 and 2200."))
        return started_at

    def for_the_door(self) -> dict[str, Any]:
        """What was filled in, as `crm.calls.create_call` takes it."""
        said = self.cleaned_data
        theirs = "from_number" if said["direction"] == Call.Direction.IN else "to_number"
        length = {} if said["minutes"] is None else {"duration_seconds": said["minutes"] * 60}
        return {
            "direction": said["direction"],
            theirs: said["number"],
            "started_at": said["started_at"],
            "status": said["status"],
            **length,
        }


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Several files at once; cleaned into a list."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        return [super(ManyFilesField, self).clean(file, initial) for file in data or [None]]


class FilesForm(forms.Form):
    upload = ManyFilesField(
        label=gettext_lazy("Files"), allow_empty_file=True
    )  # the door says which is empty

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files, auto_id="file-%s")
        self.fields["upload"].widget.attrs |= {"aria-label": _("Files"), **at_most(LARGEST)}


def composer_forms(deal: Deal) -> dict[str, Any]:
    """The empty forms, under the names that the templates know."""
    return {"note_form": NoteForm(deal), "call_form": CallForm(deal), "files_form": FilesForm()}
