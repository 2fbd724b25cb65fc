"""Coming in, going out, and the language one is spoken to in.

Who has switched on the second step has proved nothing but the password until the code is there too; until then the
session only remembers whose code it waits for.
"""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm
from django.contrib.auth.views import LoginView, PasswordResetView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_q.tasks import async_task

from crm import two_step
from crm.login_limits import TooManyAttempts, address_of, begin_attempt, forget_attempts
from crm.models import LoginAttempt, User

_WAITS_FOR = "second_step"  # the session's key for whose code it waits
_WAITS = timedelta(minutes=10)


class LoginForm(AuthenticationForm):
    """E-mail and password. Which of the two was wrong is not told."""

    username = forms.EmailField(
        label=_("E-mail"), widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"})
    )
    error_messages = {
        "invalid_login": _("This e-mail and password do not belong together. Check both and try again."),
        "inactive": _("This account was switched off. Ask an administrator."),
    }

    def clean(self) -> dict[str, Any]:
        attempt = begin_limited(
            LoginAttempt.Kind.PASSWORD, self.cleaned_data.get("username", ""), request=self.request
        )
        cleaned = super().clean()
        if self.user_cache is not None:
            forget_attempts(attempt)
        return cleaned


def begin_limited(kind: LoginAttempt.Kind, account: str, *, request: HttpRequest | None) -> LoginAttempt:
    """An attempt, for use in a form. Raises ValidationError with the code "too_many_attempts"."""
    address = address_of(request) if request else ""
    try:
        return begin_attempt(kind=kind, account=account, address=address, now=timezone.now())
    except TooManyAttempts as refused:
        raise ValidationError(str(refused), code=refused.code) from refused


def status_of(form: forms.BaseForm) -> int:
    """200 for a form that is merely shown, 429 where a limit was reached, else 422."""
    if not form.is_bound:
        return 200
    codes = {error["code"] for errors in form.errors.get_json_data().values() for error in errors}
    return 429 if TooManyAttempts.code in codes else 422


class Login(LoginView):
    template_name = "crm/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if not two_step.is_on(user):
            return super().form_valid(form)
        self.request.session[_WAITS_FOR] = {
            "user": user.pk,
            "hash": user.get_session_auth_hash(),
            "since": timezone.now().isoformat(),
            "next": self.get_success_url(),
        }
        return redirect("login-code")

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=status_of(form))


class CodeForm(forms.Form):
    """A code of the app or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocomplete": "one-time-code", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, user: User, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.user, self.request = user, request

    def clean_code(self) -> str:
        attempt = begin_limited(LoginAttempt.Kind.CODE, self.user.email, request=self.request)
        try:
            two_step.check_code(user=self.user, code=self.cleaned_data["code"], now=timezone.now())
        except two_step.WrongCode as refused:
            raise ValidationError(str(refused), code=refused.code) from refused
        forget_attempts(attempt)
        return str(self.cleaned_data["code"])


@never_cache
@require_http_methods(["GET", "POST"])
def login_code(request: HttpRequest) -> HttpResponse:
    """The second step. Whoever comes here without the first one is sent to it."""
    waiting = request.session.get(_WAITS_FOR, {})
    user = _who_waits(waiting, now=timezone.now())
    if user is None:
        request.session.pop(_WAITS_FOR, None)
        return redirect("login")
    with translation.override(user.language or translation.get_language()):
        form = CodeForm(request.POST or None, user=user, request=request)
        if form.is_valid():
            del request.session[_WAITS_FOR]
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect(waiting["next"])
        return render(request, "crm/login_code.html", {"form": form}, status=status_of(form))


def _who_waits(waiting: dict[str, Any], *, now: datetime) -> User | None:
    """Whose password was right a moment ago, unless it was changed or the account switched off since."""
    if not waiting or now - datetime.fromisoformat(waiting["since"]) > _WAITS:
        return None
    user = User.objects.filter(pk=waiting["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != waiting["hash"] or not two_step.is_on(user):
        return None
    return user


class ForgottenForm(PasswordResetForm):
    email = forms.EmailField(label=_("E-mail"), max_length=254)

    def __init__(self, *args: Any, request: HttpRequest | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        begin_limited(LoginAttempt.Kind.RESET, email, request=self.request)
        return email

    def save(self, *_args: Any, **_options: Any) -> None:
        async_task("crm.tasks.mail_password_reset", self.cleaned_data["email"])


class Forgotten(PasswordResetView):
    template_name = "crm/password_forgotten.html"
    form_class = ForgottenForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_invalid(self, form: forms.BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=status_of(form))


def admin_login(request: HttpRequest) -> HttpResponse:
    """Django's admin has no login of its own, which would know neither limits nor the second step."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.GET.get('next', '/admin/')})}")


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the language in a cookie, and for whoever is logged in, with the user."""
    language = request.POST.get("language", "")
    response = HttpResponseRedirect(_safe_next(request))
    if language in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=365 * 24 * 3600,
            samesite="Lax",
            secure=request.is_secure(),
        )
        if request.user.is_authenticated:
            User.objects.filter(pk=request.user.pk).update(language=language)
    return response


def _safe_next(request: HttpRequest) -> str:
    target = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return target if safe else "/"
