"""Inviting people by e-mail: a signed link that works once and for a week, and which a newer one replaces."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from crm.models import Invitation, Team, User
from crm.refusals import InvalidFields, Refused

LASTS = timedelta(days=7)
_SALT = "crm.invitations"


class MailNotSent(Refused):
    """The invitation is there all the same, and can be sent again."""

    code = "mail_not_sent"

    def __init__(self, error: OSError) -> None:
        super().__init__(
            _("The invitation is kept, but its mail did not leave: %(error)s") % {"error": error}
        )


class LinkIsDead(Refused):
    code = "link_is_dead"

    def __init__(self) -> None:
        super().__init__(
            _("This link was used, was replaced by a newer one or is older than a week. Ask for a new one.")
        )


def invite(*, email: str, role: str, team: Team | None, language: str, by: User, now: datetime) -> Invitation:
    """Keep an invitation and mail it. Raises InvalidFields, and MailNotSent once it is kept."""
    if User.objects.filter(email__iexact=email).exists():
        raise InvalidFields({"email": [_("There is a user with this e-mail already.")]})
    if Invitation.objects.filter(email__iexact=email, accepted_at=None).exists():
        raise InvalidFields({"email": [_("This person is invited already; send that invitation again.")]})
    made = Invitation.objects.create(
        email=User.objects.normalize_email(email),
        role=role,
        team=team,
        language=language,
        invited_by=by,
        nonce=secrets.token_urlsafe(32),
        sent_at=now,
    )
    _mail(made)
    return made


def send_again(*, invitation: Invitation, now: datetime) -> None:
    """Mail a new link; the former one is dead. Raises MailNotSent."""
    invitation.nonce, invitation.sent_at = secrets.token_urlsafe(32), now
    invitation.save(update_fields=["nonce", "sent_at"])
    _mail(invitation)


def revoke(*, invitation: Invitation) -> None:
    """The link is dead from now on."""
    Invitation.objects.filter(pk=invitation.pk, accepted_at=None).delete()


def link_of(invitation: Invitation) -> str:
    """The path behind the link of the newest mail."""
    text = signing.dumps([invitation.pk, invitation.nonce], salt=_SALT)
    return reverse("accept-invitation", args=[text])


def find_invitation(*, text: str, now: datetime) -> Invitation:
    """The open invitation that a link names. Raises LinkIsDead."""
    try:
        pk, nonce = signing.loads(text, salt=_SALT)
    except signing.BadSignature as error:
        raise LinkIsDead from error
    open_ones = Invitation.objects.filter(accepted_at=None, sent_at__gt=now - LASTS)
    invitation = open_ones.filter(pk=pk, nonce=nonce).first()
    if invitation is None:
        raise LinkIsDead
    return invitation


@transaction.atomic
def accept(*, invitation: Invitation, name: str, password: str, now: datetime) -> User:
    """Make the user. Of two who accept at once, the second finds the link dead. Raises LinkIsDead."""
    used = Invitation.objects.filter(pk=invitation.pk, nonce=invitation.nonce, accepted_at=None)
    if not used.update(accepted_at=now) or User.objects.filter(email__iexact=invitation.email).exists():
        raise LinkIsDead
    return User.objects.create_user(
        invitation.email,
        password,
        name=name,
        role=invitation.role,
        team=invitation.team,
        language=invitation.language,
    )


def _mail(invitation: Invitation) -> None:
    with translation.override(invitation.language):
        context: dict[str, Any] = {
            "by": invitation.invited_by,
            "link": settings.PUBLIC_URL + link_of(invitation),
        }
        mail = EmailMessage(
            subject=_("%(person)s invites you to Stagehook") % {"person": invitation.invited_by},
            body=render_to_string("crm/mails/invitation.html", context),
            to=[invitation.email],
        )
    try:
        mail.send()
    except OSError as error:
        raise MailNotSent(error) from error
