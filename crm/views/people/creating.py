"""The dialog for a contact or company made by hand; it asks before it makes somebody who seems to be there already."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from crm.actors import Actor
from crm.duplicates import Found, duplicates_of
from crm.refusals import InvalidFields
from crm.views.access import PageRequest
from crm.views.people.kinds import Kind, Party


class NewForm(forms.Form):
    """The first fields of a new one. `kept` is what the door takes."""

    def __init__(self, kind: Kind, data: Any = None) -> None:
        super().__init__(data, auto_id="new-%s")
        empty = kind.model()
        self.specs = {name: kind.editable.standard[name](empty) for name in kind.first_fields}
        self.fields.update({name: spec.field for name, spec in self.specs.items()})
        self.fields["name"].widget.attrs["autofocus"] = True

    def kept(self) -> dict[str, Any]:
        return {name: spec.kept(self.cleaned_data[name]) for name, spec in self.specs.items()}


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest, kind: Kind) -> HttpResponse:
    """The form; on POST the way to the new one's page, or the form with its errors (422).

    Where somebody has the same e-mail, phone, domain … it names them (409) and wants `anyway`. Opened as a page of
    its own it leads to the list, which opens the dialog.
    """
    if request.method == "GET" and not request.htmx:
        return redirect(f"{reverse(kind.list_name)}#new")
    form = NewForm(kind, request.POST if request.method == "POST" else None)
    made, alike = _create(request, kind, form) if form.is_valid() else (None, [])
    if made is not None:
        return HttpResponseClientRedirect(made.get_absolute_url())
    status = 409 if alike else 422 if form.is_bound else 200
    return render(request, "crm/_new_party.html", {"kind": kind, "form": form, "alike": alike}, status=status)


def _create(request: PageRequest, kind: Kind, form: NewForm) -> tuple[Party | None, list[Found[Any]]]:
    """The new one, or None with the door's objections in the form, or None and who it may be already."""
    try:
        with transaction.atomic():
            made = kind.create(actor=Actor.user(request.user), fields=form.kept())
            alike = [] if "anyway" in request.POST else _sure(made)
            if alike:
                transaction.set_rollback(True)
    except InvalidFields as error:
        for name, problems in error.errors.items():
            form.add_error(name if name in form.fields else None, problems)
        return None, []
    return (None, alike) if alike else (made, [])


def _sure(made: Party) -> list[Found[Any]]:
    """Those with whom it shares more than a name."""
    found: list[Found[Any]] = duplicates_of(made)
    return [each for each in found if each.score > 1]
