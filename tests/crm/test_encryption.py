from io import StringIO

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from pytest_django import Settings

from automations.models import Destination
from crm.encryption import EncryptedField, rotate
from crm.management.commands import reencrypt as reencryption
from webhooks.models import InboundEndpoint

pytestmark = pytest.mark.django_db


def reencrypt() -> str:
    output = StringIO()
    call_command("reencrypt", stdout=output)
    return output.getvalue()


def test_after_reencrypting_the_old_key_can_be_taken_away(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    made = Destination(name="ERP", url="https://example.com/")
    made.headers = {"X-Key": "hush"}
    made.save()
    InboundEndpoint.objects.create(name="ERP", secret="psst")
    settings.ENCRYPTION_KEYS = [new, old]
    assert reencrypt() == "6 values were encrypted anew.\n"
    assert reencrypt() == "0 values were encrypted anew.\n"
    settings.ENCRYPTION_KEYS = [new]
    found = Destination.objects.get()
    assert (found.headers, found.secret) == ({"X-Key": "hush"}, made.secret)
    assert InboundEndpoint.objects.get().secret == "psst"
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(InvalidToken):
        Destination.objects.get()


def test_what_no_key_opens_is_told_and_left_as_it_is(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    Destination.objects.create(name="ERP", url="https://example.com/")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="5 values cannot be read"):
        reencrypt()


def test_what_was_written_meanwhile_stays(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    endpoint = InboundEndpoint.objects.create(name="ERP", secret="former")
    settings.ENCRYPTION_KEYS = [new, old]
    field = InboundEndpoint._meta.get_field("secret")
    assert isinstance(field, EncryptedField)
    ((pk, token),) = list(reencryption.tokens(InboundEndpoint, field))
    InboundEndpoint.objects.update(secret="newer")
    assert reencryption.replace(InboundEndpoint, field, pk, token, str(rotate(token))) == 0
    endpoint.refresh_from_db()
    assert endpoint.secret == "newer"
