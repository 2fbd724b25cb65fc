"""The second step of the login: a code of an app (TOTP, RFC 6238), or one of the recovery codes.

We keep the secret ourselves, encrypted as every secret here, and take only the arithmetic from django-otp, whose own
tables keep it in the open.
"""

import hashlib
import secrets
from base64 import b32decode, b32encode
from datetime import datetime
from urllib.parse import quote, urlencode

from django.db import transaction
from django.utils.translation import gettext as _
from django_otp.oath import TOTP

from crm.models import TwoStep, User
from crm.refusals import Refused

ISSUER = "Stagehook"
_STEP = 30  # seconds; what all authenticator apps assume, as they do six digits and SHA-1
_TOLERANCE = 1  # steps that a phone's clock may be off, either way
_RECOVERY_CODES = 10


class WrongCode(Refused):
    code = "wrong_code"

    def __init__(self) -> None:
        super().__init__(_("This code is wrong or was used already. Wait for the next one."))


def is_on(user: User) -> bool:
    return TwoStep.objects.filter(user=user, confirmed_at__isnull=False).exists()


def begin(*, user: User) -> TwoStep:
    """A secret that waits to be confirmed by a first code; the same one until then."""
    found, _made = TwoStep.objects.get_or_create(
        user=user, defaults={"key": b32encode(secrets.token_bytes(20)).decode()}
    )
    return found


def address_for_apps(two_step: TwoStep) -> str:
    """The `otpauth:` address that an authenticator app reads from a QR code."""
    label = quote(f"{ISSUER}:{two_step.user.email}")
    return f"otpauth://totp/{label}?{urlencode({'secret': two_step.key, 'issuer': ISSUER})}"


@transaction.atomic
def confirm(*, user: User, code: str, now: datetime) -> list[str]:
    """Switch the second step on with a first code; returns the recovery codes, which nobody can read again.

    Raises WrongCode.
    """
    two_step = TwoStep.objects.select_for_update().get(user=user)
    if not _take_totp(two_step, code, now=now):
        raise WrongCode
    two_step.confirmed_at = now
    two_step.save(update_fields=["confirmed_at"])
    return _renew_recovery(two_step)


@transaction.atomic
def renew_recovery_codes(*, user: User) -> list[str]:
    """New recovery codes; the former ones are worth nothing from now on."""
    return _renew_recovery(TwoStep.objects.select_for_update().get(user=user, confirmed_at__isnull=False))


@transaction.atomic
def check_code(*, user: User, code: str, now: datetime) -> None:
    """Use up a code of the app or a recovery code. Raises WrongCode."""
    two_step = TwoStep.objects.select_for_update().get(user=user, confirmed_at__isnull=False)
    if not _take_totp(two_step, code, now=now) and not _take_recovery(two_step, code):
        raise WrongCode


def switch_off(*, user: User) -> bool:
    """Back to the password alone; says whether there was a second step."""
    return bool(TwoStep.objects.filter(user=user).delete()[0])


def _take_totp(two_step: TwoStep, code: str, *, now: datetime) -> bool:
    digits = "".join(code.split())
    if not (digits.isascii() and digits.isdigit() and len(digits) == 6):
        return False
    totp = TOTP(b32decode(two_step.key), step=_STEP)
    totp.time = now.timestamp()
    if not totp.verify(int(digits), tolerance=_TOLERANCE, min_t=two_step.last_step + 1):
        return False
    two_step.last_step = totp.t()
    two_step.save(update_fields=["last_step"])
    return True


def _take_recovery(two_step: TwoStep, code: str) -> bool:
    digest = _digest(code)
    if digest not in two_step.recovery_digests:
        return False
    two_step.recovery_digests = [kept for kept in two_step.recovery_digests if kept != digest]
    two_step.save(update_fields=["recovery_digests"])
    return True


def _renew_recovery(two_step: TwoStep) -> list[str]:
    codes = [_recovery_code() for _number in range(_RECOVERY_CODES)]
    two_step.recovery_digests = [_digest(code) for code in codes]
    two_step.save(update_fields=["recovery_digests"])
    return codes


def _recovery_code() -> str:
    """80 random bits, in groups that can be read out."""
    text = b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def _digest(code: str) -> str:
    """Unsalted and fast will do: nobody guesses 80 random bits."""
    return hashlib.sha256("".join(code.split()).replace("-", "").lower().encode()).hexdigest()
