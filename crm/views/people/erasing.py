"""Erasing a person: first what it touches, in numbers; then, once the name is typed, for good."""

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from crm.actors import Actor
from crm.erasure import erase_contact, what_erasing_touches
from crm.views.access import PageRequest, admin_required
from crm.views.people.kinds import CONTACTS


class EraseForm(forms.Form):
    """The name of whom it is about, typed."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, expected: str, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]  # a QueryDict
        self.expected = expected

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        if " ".join(typed.split()).casefold() != " ".join(self.expected.split()).casefold():
            raise ValidationError(_("Type the name exactly as it stands above."))
        return typed


@admin_required
@require_http_methods(["GET", "POST"])
def erase(request: PageRequest, pk: int) -> HttpResponse:
    contact = CONTACTS.get(pk)
    form = EraseForm(str(contact), request.POST if request.method == "POST" else None)
    if form.is_valid():
        erased = erase_contact(contact_id=contact.pk, actor=Actor.user(request.user))
        messages.success(request, _("The person was erased."))
        return redirect(erased)
    context = {"contact": contact, "touched": what_erasing_touches(contact), "form": form}
    return render(request, "crm/erase.html", context, status=422 if form.is_bound else 200)
