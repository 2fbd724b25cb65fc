"""Endpoints made from a preset: through the API, and on the pages."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from crm.models import Deal, Pipeline, Stage, User
from tests.webhooks.conftest import Sender
from webhooks.endpoints import create_endpoint, update_endpoint
from webhooks.models import InboundEndpoint
from webhooks.presets import list_presets, read_preset

NEW = "/webhooks/endpoints/new/"


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_user("alice@example.com", name="Alice", role=User.Role.ADMIN)


@pytest.fixture
def browser(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def api(admin: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(admin)
    return client


def test_a_preset_fills_in_what_is_not_given(api: APIClient, pipeline: Pipeline) -> None:
    answer = api.post("/api/v1/inbound_endpoints/", {"name": "Form", "preset": "typeform"}, format="json")
    assert answer.status_code == 201, answer.content
    preset = read_preset("typeform")
    told = answer.json()
    assert told["preset"] == "typeform"
    assert told["verification"] == {"scheme": "typeform"}
    assert told["mapping"] == preset.settings["mapping"]
    assert told["dedupe"]["keys"] == preset.settings["dedupe"]["keys"]
    source = InboundEndpoint.objects.get().default_source
    assert source is not None
    assert source.name == "Typeform"


def test_what_is_given_wins_over_the_preset(api: APIClient, pipeline: Pipeline) -> None:
    mapping = {"fields": {"deal.title": "name"}}
    given = {"name": "Shop", "preset": "shopify", "mapping": mapping, "verification": {"scheme": "none"}}
    answer = api.post("/api/v1/inbound_endpoints/", given, format="json")
    assert answer.json()["mapping"] == mapping
    assert answer.json()["verification"] == {"scheme": "none"}


def test_a_secret_alone_goes_with_the_scheme_of_the_preset(api: APIClient, pipeline: Pipeline) -> None:
    given = {"name": "Shop", "preset": "bling", "verification": {"secret": "their-client-secret"}}
    answer = api.post("/api/v1/inbound_endpoints/", given, format="json")
    assert answer.status_code == 201, answer.content
    endpoint = InboundEndpoint.objects.get()
    assert endpoint.verification == {"scheme": "hmac", "header": "X-Bling-Signature-256", "prefix": "sha256="}
    assert endpoint.secret == "their-client-secret"


def test_an_unknown_preset_is_refused_with_the_list(api: APIClient) -> None:
    answer = api.post("/api/v1/inbound_endpoints/", {"name": "Shop", "preset": "magento"}, format="json")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["attr"] == "preset"
    assert "stripe" in error["detail"]
    assert not InboundEndpoint.objects.exists()


def test_every_preset_makes_an_endpoint_with_its_own_verification(pipeline: Pipeline) -> None:
    for preset in list_presets():
        made = create_endpoint(fields={"name": preset.name, "preset": preset.key}, created_by=None)
        assert made.verification["scheme"] == preset.settings["verification"]["scheme"]
        assert bool(made.secret) is (made.verification["scheme"] != "none")


def test_naming_the_same_preset_again_keeps_a_mapping_of_ones_own(pipeline: Pipeline) -> None:
    made = create_endpoint(fields={"name": "Shop", "preset": "shopify"}, created_by=None)
    own = {"fields": {"deal.title": "name"}}
    update_endpoint(endpoint_id=made.pk, fields={"mapping": own})
    saved = update_endpoint(endpoint_id=made.pk, fields={"preset": "shopify", "name": "Shop 2"})
    assert (saved.mapping, saved.name) == (own, "Shop 2")


def test_piperun_is_answered_as_piperun_answers(pipeline: Pipeline) -> None:
    endpoint = create_endpoint(fields={"name": "Site", "preset": "piperun"}, created_by=None)
    answer = Sender(endpoint).post({"leads": [{"name": "Zeca", "email": "zeca@example.com"}]})
    deal = Deal.objects.get()
    request = endpoint.requests.get()
    data = {"id": [str(deal.pk)], "hash": [request.pk]}
    assert answer.json() == {"success": True, "message": "OK", "data": data}


def test_piperun_is_told_of_a_refusal_in_its_own_words(pipeline: Pipeline) -> None:
    endpoint = create_endpoint(fields={"name": "Site", "preset": "piperun"}, created_by=None)
    answer = Sender(endpoint).post({"leads": [{"name": "Zeca", "title": "x" * 201}]})
    assert answer.status_code == 422
    told = answer.json()
    assert (told["success"], told["data"]["id"]) == (False, [])
    assert told["message"]
    assert not Deal.objects.exists()


# ---- The pages ----


def test_the_page_of_a_new_endpoint_offers_every_preset_by_its_kind(browser: Client) -> None:
    page = browser.get(NEW).content.decode()
    for preset in list_presets():
        assert f'href="{NEW}{preset.key}/"' in page
    assert page.index("Elementor") < page.index("RD Station Marketing") < page.index("Stripe")


def test_an_endpoint_is_made_from_a_preset_and_shows_its_secret_and_guide(
    browser: Client, pipeline: Pipeline
) -> None:
    stage = Stage.objects.get(name="Proposal")
    form = {"name": "Site", "default_pipeline": pipeline.pk, "default_stage": stage.pk}
    page = browser.post(f"{NEW}typeform/", form, follow=True)
    endpoint = InboundEndpoint.objects.get()
    assert (endpoint.preset, endpoint.default_stage) == ("typeform", stage)
    assert page.context["secret"] == endpoint.secret
    text = page.content.decode()
    assert "Add a webhook" in text
    assert f"<code>{endpoint.url}</code>" in text
    assert "{url}" not in text


def test_the_guide_is_in_the_readers_language(browser: Client, pipeline: Pipeline) -> None:
    endpoint = create_endpoint(fields={"name": "Site", "preset": "typeform"}, created_by=None)
    page = browser.get(endpoint.get_absolute_url(), headers={"Accept-Language": "pt-BR"})
    assert "O que não chega" in page.content.decode()


def test_a_secret_that_the_other_system_makes_is_not_shown_as_ours(
    browser: Client, pipeline: Pipeline
) -> None:
    page = browser.post(f"{NEW}stripe/", {"name": "Stripe"}, follow=True)
    assert page.context["secret"] is None
    assert "copy the secret that Stripe shows" in page.content.decode()


def test_a_secret_that_was_copied_there_is_taken(browser: Client, pipeline: Pipeline) -> None:
    browser.post(f"{NEW}stripe/", {"name": "Stripe", "own_secret": "whsec_of_stripe_12345"})
    assert InboundEndpoint.objects.get().secret == "whsec_of_stripe_12345"


def test_a_system_that_does_not_sign_is_asked_for_no_secret(browser: Client) -> None:
    assert "own_secret" not in browser.get(f"{NEW}mailchimp/").context["form"].fields


def test_what_is_missing_is_said_beside_the_field(browser: Client) -> None:
    page = browser.post(f"{NEW}stripe/", {"name": ""})
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"name"}
    assert not InboundEndpoint.objects.exists()


def test_there_is_no_page_for_an_unknown_preset(browser: Client) -> None:
    assert browser.get(f"{NEW}magento/").status_code == 404


def test_saving_the_page_keeps_how_a_preset_recognises_its_sender(
    browser: Client, pipeline: Pipeline
) -> None:
    made = create_endpoint(fields={"name": "Bling", "preset": "bling"}, created_by=None)
    secret, verification = made.secret, made.verification
    form = {"name": "Bling 2", "enabled": "on", "scheme": "hmac", "response_mode": "wait"}
    browser.post(made.get_absolute_url(), {**form, "max_body_bytes": 1_048_576})
    made.refresh_from_db()
    assert (made.name, made.verification, made.secret) == ("Bling 2", verification, secret)
    assert made.mapping == read_preset("bling").settings["mapping"]
