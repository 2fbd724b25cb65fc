"""The mail with the link to a new password.

It leaves from a task whether or not anybody has the address, so that neither the answer nor its time tells which.
"""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from crm.models import User


def mail_reset(*, email: str) -> int:
    """Mail a link to whoever has the address and may log in; returns how many mails left (0 or 1)."""
    people = User.objects.filter(email__iexact=email, is_active=True)
    return sum(_mail_to(person) for person in people)


def _mail_to(person: User) -> int:
    context = {
        "public_url": settings.PUBLIC_URL,
        "uid": urlsafe_base64_encode(force_bytes(person.pk)),
        "token": default_token_generator.make_token(person),
    }
    with translation.override(person.language or settings.LANGUAGE_CODE):
        mail = EmailMessage(
            subject=_("A new password for Stagehook"),
            body=render_to_string("crm/mails/password_reset.html", context),
            to=[person.email],
        )
    return mail.send()
