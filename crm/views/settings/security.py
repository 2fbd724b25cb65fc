"""One's own password and second step. What weakens the login asks for the password again."""

from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm import two_step
from crm.login_limits import forget_attempts
from crm.models import LoginAttempt, TwoStep
from crm.views.access import PageRequest
from crm.views.session import begin_limited, status_of


class NewPasswordForm(PasswordChangeForm):
    def __init__(self, *args: Any, request: PageRequest, **options: Any) -> None:
        super().__init__(request.user, *args, **options)
        self.request = request
        self.fields["old_password"].widget.attrs.pop("autofocus", None)

    def clean_old_password(self) -> str:
        attempt = begin_limited(LoginAttempt.Kind.PASSWORD, self.request.user.email, request=self.request)
        old = super().clean_old_password()
        forget_attempts(attempt)
        return str(old)


class PasswordForm(forms.Form):
    """Whether it is still the person who logged in."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autofocus": True, "autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: PageRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request

    def clean_password(self) -> str:
        user, password = self.request.user, str(self.cleaned_data["password"])
        attempt = begin_limited(LoginAttempt.Kind.PASSWORD, user.email, request=self.request)
        if not user.check_password(password):
            raise forms.ValidationError(_("This is not your password."), code="wrong_password")
        forget_attempts(attempt)
        return password


class FirstCodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def security(request: PageRequest) -> HttpResponse:
    """The password's form, and how the second step stands."""
    form = NewPasswordForm(request.POST or None, request=request)
    if form.is_valid():
        update_session_auth_hash(request, form.save())
        messages.success(request, _("The password was changed. Other devices have to log in again."))
        return redirect("security")
    found = TwoStep.objects.filter(user=request.user, confirmed_at__isnull=False).first()
    context = {"form": form, "two_step": found, "codes_left": len(found.recovery_digests) if found else 0}
    return render(request, "crm/settings/security.html", context, status=status_of(form))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def switch_on(request: PageRequest) -> HttpResponse:
    """The QR code; with a first code it is on, and the recovery codes are shown this once."""
    if two_step.is_on(request.user):
        return redirect("security")
    waiting = two_step.begin(user=request.user)
    form = FirstCodeForm(request.POST or None)
    if form.is_valid():
        try:
            codes = two_step.confirm(user=request.user, code=form.cleaned_data["code"], now=timezone.now())
        except two_step.WrongCode as refused:
            form.add_error("code", str(refused))
        else:
            return render(request, "crm/settings/recovery_codes.html", {"codes": codes})
    address = two_step.address_for_apps(waiting)
    context = {
        "form": form,
        "key": " ".join(waiting.key[start : start + 4] for start in range(0, len(waiting.key), 4)),
        "picture": segno.make(address, error="m", micro=False).svg_data_uri(scale=4, light="white", border=3),
    }
    return render(request, "crm/settings/two_step.html", context, status=status_of(form))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def weaken(request: PageRequest, what: str) -> HttpResponse:
    """Switches the second step off, or makes new recovery codes (`what`: off, codes), for the password."""
    if not two_step.is_on(request.user):
        raise Http404
    form = PasswordForm(request.POST or None, request=request)
    if not form.is_valid():
        context = {"form": form, "what": what}
        return render(request, "crm/settings/two_step_change.html", context, status=status_of(form))
    if what == "codes":
        codes = two_step.renew_recovery_codes(user=request.user)
        return render(request, "crm/settings/recovery_codes.html", {"codes": codes})
    two_step.switch_off(user=request.user)
    messages.success(request, _("You log in with your password alone now."))
    return redirect("security")
