"""A person's own way to dial, which every phone number on our pages leads to."""

from typing import ClassVar

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from crm.models import User
from crm.views.access import PageRequest


class TelephoneForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    class Meta:
        model = User
        fields: ClassVar = ["call_url"]
        labels: ClassVar = {"call_url": gettext_lazy("Address to call with")}
        widgets: ClassVar = {
            "call_url": forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off"})
        }


@login_required
@require_http_methods(["GET", "POST"])
def telephone(request: PageRequest) -> HttpResponse:
    person = User.objects.get(pk=request.user.pk)  # the form writes into it even where it refuses
    form = TelephoneForm(request.POST or None, instance=person)
    if form.is_valid():
        person.save(update_fields=["call_url"])
        messages.success(request, _("A click on a phone number calls with it from now on."))
        return redirect("telephone")
    return render(request, "crm/telephone.html", {"form": form}, status=422 if form.is_bound else 200)
