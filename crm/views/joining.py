"""Where the link of an invitation leads: a name, a password, and in."""

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.invitations import LinkIsDead, accept, find_invitation
from crm.models import Invitation, User


class JoiningForm(forms.Form):
    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.email = email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(password, User(email=self.email, name=self.cleaned_data.get("name", "")))
        return password


@never_cache
@require_http_methods(["GET", "POST"])
def accept_invitation(request: HttpRequest, text: str) -> HttpResponse:
    """410 for a link that is dead."""
    try:
        invitation = find_invitation(text=text, now=timezone.now())
        with translation.override(invitation.language):
            return _join(request, invitation)
    except LinkIsDead as dead:
        return render(request, "crm/link_is_dead.html", {"text": str(dead)}, status=410)


def _join(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = JoiningForm(request.POST or None, email=invitation.email)
    if form.is_valid():
        user = accept(invitation=invitation, **form.cleaned_data, now=timezone.now())
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("home")
    context = {"form": form, "invitation": invitation}
    return render(request, "crm/joining.html", context, status=422 if form.is_bound else 200)
