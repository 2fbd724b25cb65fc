"""How often one may try to come in: counted by account and by address, in the database that all processes share.

An account is limited most from a single address, so that a stranger who tries somebody's password keeps that person
out only from where the stranger is, and less from all addresses together. A try is written down before the password
is looked at, since of many sent at once each would otherwise find the limit not yet reached.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_address

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from crm.models import LoginAttempt
from crm.refusals import Refused

WITHIN = timedelta(minutes=15)
KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures within 15 minutes: of an account from one address, of an account, from an address."""

    here: int
    account: int
    address: int


Kind = LoginAttempt.Kind
LIMITS = {
    Kind.PASSWORD: Limit(here=10, account=50, address=100),
    # A code has a million values, three of which are right at a time.
    Kind.CODE: Limit(here=5, account=10, address=50),
    # These send mails to somebody.
    Kind.RESET: Limit(here=3, account=5, address=20),
}


class TooManyAttempts(Refused):
    code = "too_many_attempts"

    def __init__(self) -> None:
        super().__init__(_("Too many attempts. Wait 15 minutes and try again."))


def begin_attempt(*, kind: LoginAttempt.Kind, account: str, address: str, now: datetime) -> LoginAttempt:
    """Write a try down and return it. Raises TooManyAttempts, which itself does not count."""
    attempt = LoginAttempt.objects.create(
        kind=kind, account=account.lower()[:254], address=_network(address), at=now
    )
    limit, lately = LIMITS[kind], LoginAttempt.objects.filter(kind=kind, at__gt=now - WITHIN)
    of_account, from_address = lately.filter(account=attempt.account), lately.filter(address=attempt.address)
    if (
        of_account.filter(address=attempt.address).count() > limit.here
        or of_account.count() > limit.account
        or from_address.count() > limit.address
    ):
        attempt.delete()
        raise TooManyAttempts
    return attempt


def forget_attempts(attempt: LoginAttempt) -> None:
    """What the account tried from this address counts no more: it was its owner, who has come in."""
    LoginAttempt.objects.filter(
        Q(kind=attempt.kind), account=attempt.account, address=attempt.address
    ).delete()


def address_of(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR") or "")


def _network(address: str) -> str:
    """A household has 2**64 addresses of IPv6, so those count as one."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address[:45]
    return str(IPv6Network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


def cut_attempts(*, now: datetime) -> int:
    """Remove what is too old to count; returns how many rows that were. The limits keep them few."""
    return LoginAttempt.objects.filter(at__lt=now - KEPT_FOR).delete()[0]
