"""API tokens: one's own, and for administrators everybody's. A new one is shown once, in the answer that made it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from crm.models import ApiToken, User
from crm.tokens import allowed_scopes, create_token
from crm.views.access import PageRequest

_LASTS = {
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
    "365": gettext_lazy("A year"),
    "": gettext_lazy("Until it is revoked"),
}


class TokenForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    lasts = forms.ChoiceField(label=gettext_lazy("Valid for"), required=False, choices=list(_LASTS.items()))
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, owner: User, **options: Any) -> None:
        super().__init__(*args, **options)
        allowed = allowed_scopes(owner)
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]  # a choice field
            (value, label) for value, label in ApiToken.Scope.choices if value in allowed
        ]


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: PageRequest) -> HttpResponse:
    """The list, and the form for another one."""
    sent = request.POST or None
    form = TokenForm(sent, owner=request.user, initial={"lasts": "90", "scopes": ["read"]})
    made, text = None, ""
    if form.is_valid():
        days = form.cleaned_data["lasts"]
        made, text = create_token(
            owner=request.user,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )
        form = TokenForm(owner=request.user, initial={"lasts": "90", "scopes": ["read"]})
    context = {
        "form": form,
        "made": made,
        "text": text,
        "tokens": _seen_by(request.user).select_related("owner"),
        "now": timezone.now(),
    }
    return render(request, "crm/settings/tokens.html", context, status=422 if form.is_bound else 200)


@login_required
@require_POST
def revoke_token(request: PageRequest, token_id: int) -> HttpResponse:
    found = get_object_or_404(_seen_by(request.user), pk=token_id)
    found.delete()
    messages.success(request, _("“%(name)s” was revoked and opens nothing any more.") % {"name": found})
    return redirect("tokens")


def _seen_by(user: User) -> QuerySet[ApiToken]:
    return ApiToken.objects.all() if user.is_admin else ApiToken.objects.filter(owner=user)
