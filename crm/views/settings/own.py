"""Everybody's own settings: the profile, and the way a phone number is dialled."""

from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from crm.models import Notice, User
from crm.notice_mails import groups_of
from crm.users import update_user
from crm.views.access import PageRequest


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False)

    class Meta:
        model = User
        fields: ClassVar = ["name", "language", "time_zone"]
        labels: ClassVar = {"name": gettext_lazy("Name"), "language": gettext_lazy("Language")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["language"].choices = [  # type: ignore[attr-defined]  # a choice field
            ("", _("That of the browser")),
            *User.Language.choices,
        ]
        self.fields["time_zone"].choices = _time_zones()  # type: ignore[attr-defined]  # as above


def _time_zones() -> list[Any]:
    """All zones by continent; the organisation's own first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(available_timezones()):
        continent, _slash, place = name.partition("/")
        if place and continent not in ("Etc", "SystemV", "posix", "right"):
            groups.setdefault(continent, []).append((name, place.replace("_", " ")))
    own = _("That of the organisation (%(zone)s)") % {"zone": settings.TIME_ZONE}
    return [("", own), *groups.items(), ("Etc", [("UTC", "UTC")])]


class TelephoneForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    class Meta:
        model = User
        fields: ClassVar = ["call_url"]
        labels: ClassVar = {"call_url": gettext_lazy("Address to call with")}
        widgets: ClassVar = {
            "call_url": forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off"})
        }


class NoticeMailsForm(forms.Form):
    """A choice for each group of notices that a person may get."""

    def __init__(self, *args: Any, person: User, **options: Any) -> None:
        super().__init__(*args, **options)
        for group in groups_of(person):
            self.fields[group.key] = forms.ChoiceField(
                label=str(group.name),
                help_text=str(group.holds),
                choices=Notice.Mail.choices,
                initial=person.notice_mails.get(group.key, Notice.Mail.NOW),
            )


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    """Where everything is: one's own, and for administrators the rest."""
    return render(request, "crm/settings/index.html")


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: PageRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=_own_row(request))
    if form.is_valid():
        person = update_user(user_id=request.user.pk, fields=form.cleaned_data)
        with translation.override(person.language or translation.get_language()):
            messages.success(request, _("Saved."))
        return redirect("profile")
    return render(request, "crm/settings/profile.html", {"form": form}, status=422 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "POST"])
def telephone(request: PageRequest) -> HttpResponse:
    form = TelephoneForm(request.POST or None, instance=_own_row(request))
    if form.is_valid():
        update_user(user_id=request.user.pk, fields=form.cleaned_data)
        messages.success(request, _("A click on a phone number calls with it from now on."))
        return redirect("telephone")
    return render(
        request, "crm/settings/telephone.html", {"form": form}, status=422 if form.is_bound else 200
    )


@login_required
@require_http_methods(["GET", "POST"])
def notice_mails(request: PageRequest) -> HttpResponse:
    """Which notices come by e-mail, and when."""
    form = NoticeMailsForm(request.POST or None, person=request.user)
    if form.is_valid():
        update_user(user_id=request.user.pk, fields={"notice_mails": form.cleaned_data})
        messages.success(request, _("Saved."))
        return redirect("notice-mails")
    status = 422 if form.is_bound else 200
    return render(request, "crm/settings/notice_mails.html", {"form": form}, status=status)


def _own_row(request: PageRequest) -> User:
    """Apart from `request.user`, because a form writes into its row even where it refuses."""
    return User.objects.get(pk=request.user.pk)
