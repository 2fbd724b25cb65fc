"""The page on which the access to recordings is set."""

import pytest
from django.test import Client

from crm.models import User
from tests.crm.pages import browser_of
from webhooks.models import InboundEndpoint


@pytest.fixture
def as_alice(db: None) -> Client:
    return browser_of(User.objects.create_user("alice@example.com", name="Alice", role=User.Role.ADMIN))


def test_an_administrator_sets_the_access_and_never_sees_the_secret_again(
    as_alice: Client, endpoint: InboundEndpoint
) -> None:
    path = f"/webhooks/endpoints/{endpoint.pk}/recordings/"
    assert f'href="{path}"' in as_alice.get(endpoint.get_absolute_url()).content.decode()
    given = {"scheme": "basic", "username": "AC1", "secret": "t0ken-of-theirs", "hosts": "api.example.com\n"}
    saved = as_alice.post(path, given)
    assert (saved.status_code, saved.headers["Location"]) == (302, endpoint.get_absolute_url())
    endpoint.refresh_from_db()
    expected = {"scheme": "basic", "username": "AC1", "hosts": ["api.example.com"]}
    assert (endpoint.recording_auth, endpoint.recording_secret) == (expected, "t0ken-of-theirs")
    page = as_alice.get(path).content.decode()
    assert "api.example.com" in page
    assert "t0ken-of-theirs" not in page
    as_alice.post(path, {**given, "secret": "", "username": "AC2"})
    endpoint.refresh_from_db()
    assert (endpoint.recording_auth["username"], endpoint.recording_secret) == ("AC2", "t0ken-of-theirs")
    as_alice.post(path, {"scheme": "none", "username": "AC2", "hosts": "api.example.com"})
    endpoint.refresh_from_db()
    assert (endpoint.recording_auth, endpoint.recording_secret) == ({"scheme": "none"}, None)


def test_the_form_begins_with_what_the_preset_knows_and_nothing_is_set_by_that(
    as_alice: Client, endpoint: InboundEndpoint
) -> None:
    InboundEndpoint.objects.update(preset="twilio")
    path = f"/webhooks/endpoints/{endpoint.pk}/recordings/"
    page = as_alice.get(path).content.decode()
    assert '<option value="basic" selected>' in page
    assert "api.twilio.com</textarea>" in page
    endpoint.refresh_from_db()
    assert endpoint.recording_auth == {"scheme": "none"}
    as_alice.post(path, {"scheme": "bearer", "secret": "x", "hosts": "api.example.com"})
    assert "api.twilio.com" not in as_alice.get(path).content.decode()


def test_an_access_that_makes_no_sense_is_told_beside_the_form(
    as_alice: Client, endpoint: InboundEndpoint
) -> None:
    path = f"/webhooks/endpoints/{endpoint.pk}/recordings/"
    for hosts, said in (("", "This field is required."), ("https://x", "is not a valid host name.")):
        refused = as_alice.post(path, {"scheme": "bearer", "secret": "x", "hosts": hosts})
        assert refused.status_code == 422
        assert said in refused.content.decode()
    endpoint.refresh_from_db()
    assert endpoint.recording_auth == {"scheme": "none"}


def test_the_page_is_the_administrators(endpoint: InboundEndpoint) -> None:
    bob = User.objects.create_user("bob@example.com", name="Bob")
    assert browser_of(bob).get(f"/webhooks/endpoints/{endpoint.pk}/recordings/").status_code == 403
