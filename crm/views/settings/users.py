"""Users and invitations, for administrators."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import two_step
from crm.invitations import LASTS, MailNotSent, invite, revoke, send_again
from crm.models import Deal, Invitation, TwoStep, User
from crm.notices import notify
from crm.refusals import InvalidFields
from crm.users import update_user
from crm.views.access import PageRequest, admin_required


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    class Meta:
        model = User
        fields: ClassVar = ["name", "email", "role", "team", "is_active"]
        labels: ClassVar = {
            "name": gettext_lazy("Name"),
            "email": gettext_lazy("E-mail"),
            "role": gettext_lazy("Role"),
            "team": gettext_lazy("Team"),
            "is_active": gettext_lazy("May log in"),
        }
        help_texts: ClassVar = {
            "is_active": gettext_lazy(
                "Without it, sessions and tokens end at once. The deals stay with this person."
            )
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["team"].empty_label = _("No team")  # type: ignore[attr-defined]  # a model's field


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    class Meta:
        model = Invitation
        fields: ClassVar = ["email", "role", "team", "language"]
        labels: ClassVar = {
            "email": gettext_lazy("E-mail"),
            "role": gettext_lazy("Role"),
            "team": gettext_lazy("Team"),
            "language": gettext_lazy("Language of the mail"),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["team"].empty_label = _("No team")  # type: ignore[attr-defined]  # a model's field
        self.fields["language"].choices = User.Language.choices  # type: ignore[attr-defined]  # a choice field


def take_refusal(form: forms.BaseForm, refused: InvalidFields) -> None:
    """Show what the door refused beside the fields it is about."""
    for field, messages_of_field in refused.errors.items():
        for message in messages_of_field:
            form.add_error(field if field in form.fields else None, message)


@admin_required
@require_safe
def users(request: PageRequest) -> HttpResponse:
    """Everybody, those who may log in first."""
    second_step = TwoStep.objects.filter(user=OuterRef("pk"), confirmed_at__isnull=False)
    rows = User.objects.select_related("team").annotate(has_two_step=Exists(second_step))
    context = {
        "users": rows.order_by("-is_active", "name", "pk"),
        "invited": Invitation.objects.filter(accepted_at=None).count(),
    }
    return render(request, "crm/settings/users.html", context)


@admin_required
@require_http_methods(["GET", "POST"])
def user(request: PageRequest, user_id: int) -> HttpResponse:
    found = get_object_or_404(User, pk=user_id)
    name = str(found)  # before the form writes into it
    form = UserForm(request.POST or None, instance=found)
    if form.is_valid():
        try:
            update_user(user_id=user_id, fields=form.cleaned_data)
        except InvalidFields as refused:
            take_refusal(form, refused)
        else:
            messages.success(request, _("Saved."))
            return redirect("users")
    context = {
        "form": form,
        "person": found,
        "name": name,
        "has_two_step": two_step.is_on(found),
        "open_deals": Deal.objects.open().filter(owner=user_id).count(),
    }
    return render(request, "crm/settings/user.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_POST
def reset_two_step(request: PageRequest, user_id: int) -> HttpResponse:
    """For somebody whose phone and recovery codes are gone. The person is told, because it could be a trick."""
    found = get_object_or_404(User, pk=user_id)
    if two_step.switch_off(user=found):
        notify(
            users=[found],
            kind="two_step",
            subject=gettext_lazy("Your two-step login was switched off"),
            body=lambda: (
                _("%(person)s did it. You log in with your password alone until you switch it on again.")
                % {"person": request.user}
            ),
            url="/settings/security/",
        )
        messages.success(request, _("%(person)s logs in with the password alone now.") % {"person": found})
    return redirect("user", user_id)


@admin_required
@require_http_methods(["GET", "POST"])
def invitations(request: PageRequest) -> HttpResponse:
    """Those that wait for an answer, and the form for another one."""
    standard = {"role": User.Role.REP, "language": request.user.language or settings.LANGUAGE_CODE}
    form = InvitationForm(request.POST or None, initial=standard)
    now = timezone.now()
    if form.is_valid():
        try:
            made = invite(**form.cleaned_data, by=request.user, now=now)
        except InvalidFields as refused:
            take_refusal(form, refused)
        except MailNotSent as refused:
            messages.error(request, str(refused))
            return redirect("invitations")
        else:
            messages.success(request, _("The invitation is on its way to %(email)s.") % {"email": made.email})
            return redirect("invitations")
    waiting = Invitation.objects.filter(accepted_at=None).select_related("team", "invited_by")
    rows = [(invitation, invitation.sent_at + LASTS) for invitation in waiting]
    context = {"form": form, "rows": rows, "now": now}
    return render(request, "crm/settings/invitations.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_POST
def resend_invitation(request: PageRequest, invitation_id: int) -> HttpResponse:
    found = get_object_or_404(Invitation, pk=invitation_id, accepted_at=None)
    try:
        send_again(invitation=found, now=timezone.now())
    except MailNotSent as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("A new link is on its way to %(email)s.") % {"email": found.email})
    return redirect("invitations")


@admin_required
@require_POST
def revoke_invitation(request: PageRequest, invitation_id: int) -> HttpResponse:
    found = get_object_or_404(Invitation, pk=invitation_id, accepted_at=None)
    revoke(invitation=found)
    messages.success(request, _("The link sent to %(email)s is dead.") % {"email": found.email})
    return redirect("invitations")
