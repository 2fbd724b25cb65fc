"""Forms of landing pages, posted by their visitors' browsers."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Activity, Contact, CustomField, Deal, Pipeline
from crm.views.deal_fields import all_field_forms
from tests.webhooks.conftest import states
from tests.webhooks.test_bodies import FORM
from webhooks.endpoints import create_endpoint
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.requests import apply_due

PAGE = "https://www.example.com"
THANKS = "https://www.example.com/thanks/"
FIELDS = b"contact[name]=Ana&contact[emails][]=ana@example.com&contact[phones][]=&website="


@pytest.fixture
def landing(pipeline: Pipeline) -> InboundEndpoint:
    setting = {
        "allowed_origins": [f"{PAGE}/", "HTTP://Localhost:3000", "https://shop.example.com:443"],
        "honeypot": "website",
        "redirect_url": THANKS,
        "rate_per_address": 3,
    }
    fields = {
        "name": "Site",
        "verification": {"scheme": "none"},
        "default_pipeline": pipeline,
        "landing": setting,
    }
    return create_endpoint(fields=fields, created_by=None)


def post(
    endpoint: InboundEndpoint, body: bytes = FIELDS, *, client: Client | None = None, **headers: str
) -> Any:
    """As a browser does that sends a form on its way to the next page."""
    sent = {"Origin": PAGE, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **headers}
    return (client or Client()).post(
        f"/in/{endpoint.key}/",
        body,
        content_type=FORM,
        headers={name: text for name, text in sent.items() if text},
    )


def test_the_origins_are_kept_as_browsers_write_them(landing: InboundEndpoint) -> None:
    assert landing.landing is not None
    assert landing.landing["allowed_origins"] == [PAGE, "http://localhost:3000", "https://shop.example.com"]


def test_a_visitor_is_led_to_the_thank_you_page_and_the_deal_is_there(landing: InboundEndpoint) -> None:
    response = post(landing)
    assert (response.status_code, response["Location"]) == (303, THANKS)
    contact = Contact.objects.get()
    assert (contact.name, contact.emails, contact.phones) == ("Ana", ["ana@example.com"], [])
    assert Deal.objects.get().title == "Ana"
    assert states() == [("applied", "")]


def test_nothing_that_is_sent_chooses_where_the_visitor_is_led(landing: InboundEndpoint) -> None:
    response = Client().post(
        f"/in/{landing.key}/?redirect_url=https://evil.example/&next=//evil.example",
        FIELDS,
        content_type=FORM,
        headers={"Accept": "text/html", "Referer": "https://evil.example/"},
    )
    assert (response.status_code, response["Location"]) == (303, THANKS)


def test_sending_it_twice_leads_there_too_and_makes_one_deal(landing: InboundEndpoint) -> None:
    assert [post(landing).status_code for _time in range(2)] == [303, 303]
    assert states() == [("applied", ""), ("duplicate", "")]
    assert Deal.objects.count() == 1


def test_a_script_of_the_page_gets_json_that_it_may_read(landing: InboundEndpoint) -> None:
    response = post(landing, Accept="*/*")
    assert response.json()["status"] == "applied"
    assert response["Access-Control-Allow-Origin"] == PAGE
    assert "Origin" in response["Vary"]
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://www.example.com", "https://www.example.com.evil.example"],
)
def test_another_page_may_not(landing: InboundEndpoint, origin: str) -> None:
    response = post(landing, Origin=origin, Accept="*/*")
    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response
    assert states() == [("rejected", "origin")]
    assert bytes(InboundRequest.objects.get().body) == b""
    assert Deal.objects.count() == 0


def test_the_page_may_ask_beforehand_and_others_are_told_no(landing: InboundEndpoint) -> None:
    def ask(origin: str) -> Any:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"} if origin else {}
        return Client().options(f"/in/{landing.key}/", headers=headers)

    allowed = ask(PAGE)
    assert allowed.status_code == 204
    assert allowed["Access-Control-Allow-Origin"] == PAGE
    assert allowed["Access-Control-Allow-Methods"] == "POST"
    assert allowed["Access-Control-Allow-Headers"] == "Content-Type"
    for origin in ("https://evil.example", ""):
        refused = ask(origin)
        assert refused.status_code == 403
        assert "Access-Control-Allow-Origin" not in refused
    assert states() == []


def test_an_endpoint_without_a_landing_page_allows_no_page(endpoint: InboundEndpoint) -> None:
    answers = [
        Client().options(f"/in/{endpoint.key}/", headers={"Origin": PAGE}),
        post(endpoint, b"deal[title]=x", Accept="*/*"),
    ]
    assert [answer.status_code for answer in answers] == [405, 200]
    assert not any("Access-Control-Allow-Origin" in answer for answer in answers)


def test_who_fills_in_the_hidden_field_is_answered_as_all_are_and_ignored(landing: InboundEndpoint) -> None:
    body = FIELDS + b"https://spam.example"
    response = post(landing, body)
    assert (response.status_code, response["Location"]) == (303, THANKS)
    assert post(landing, body, Accept="*/*").json()["status"] == "received"
    assert states() == [("ignored", "honeypot")] * 2
    assert (Deal.objects.count(), Contact.objects.count()) == (0, 0)


def test_one_address_may_not_send_more_than_its_share(landing: InboundEndpoint) -> None:
    for number in range(3):
        assert post(landing, FIELDS + b"&deal[title]=%d" % number).status_code == 303
    refused = post(landing, FIELDS + b"&deal[title]=9", Accept="*/*")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    other = Client(REMOTE_ADDR="198.51.100.7")
    assert post(landing, FIELDS + b"&deal[title]=10", client=other).status_code == 303


def test_a_visitor_whose_message_is_refused_sees_a_page_and_no_json(landing: InboundEndpoint) -> None:
    response = post(landing, b"contact[emails][]=nobody", Referer=f"{PAGE}/form/")
    assert response.status_code == 422
    assert response["Content-Type"].startswith("text/html")
    assert "nobody" not in response.content.decode()
    assert states() == [("rejected", "invalid")]


def test_the_campaign_is_kept_as_source_and_note(landing: InboundEndpoint) -> None:
    post(landing, FIELDS + b"&utm_source=google&utm_campaign=spring+sale&gclid=abc&utm_term=")
    deal = Deal.objects.get()
    assert deal.source is not None
    assert deal.source.name == "google"
    assert Activity.objects.get().body == "utm_source: google\nutm_campaign: spring sale\ngclid: abc"


def test_a_campaign_fills_in_the_fields_that_are_named_like_its_parts(landing: InboundEndpoint) -> None:
    for key in ("utm_campaign", "utm_term"):
        CustomField.objects.create(entity="deal", key=key, label=key, type="text")
    post(landing, FIELDS + b"&utm_source=google&utm_campaign=spring&utm_medium=cpc")
    deal = Deal.objects.get()
    assert (deal.source and deal.source.name, deal.custom_fields) == ("google", {"utm_campaign": "spring"})
    names = [form.name for form in all_field_forms(deal)]
    behind = names.index("source") + 1
    assert names[behind : behind + 2] == ["custom_fields.utm_campaign", "custom_fields.utm_term"]


def test_what_the_form_says_itself_comes_first(landing: InboundEndpoint) -> None:
    post(landing, FIELDS + b"&utm_source=google&deal[source]=Fair&activity[body]=Call+me")
    deal = Deal.objects.get()
    assert deal.source is not None
    assert deal.source.name == "Fair"
    assert Activity.objects.get().body == "Call me\n\nutm_source: google"


def test_what_a_mapping_says_of_the_campaign_is_not_said_twice(landing: InboundEndpoint) -> None:
    fields = {"deal.title": "name", "activity.body": "join(' ', ['Came by', utm_source])"}
    landing.mapping = {"fields": fields}
    landing.save()
    post(landing, b"name=Ana&utm_source=google&utm_term=chairs")
    assert Activity.objects.get().body == "Came by google\n\nutm_term: chairs"
    deal = Deal.objects.get()
    assert (deal.title, deal.source and deal.source.name) == ("Ana", "google")


def test_where_the_answer_comes_at_once_the_visitor_is_led_on_as_well(landing: InboundEndpoint) -> None:
    landing.response_mode = "accept"
    landing.save()
    assert post(landing).status_code == 303
    assert apply_due(now=timezone.now()) == 1
    assert Contact.objects.get().name == "Ana"
