"""All settings of an endpoint on its page: schemes, repeats, landing pages, questions."""

from typing import Any

import pytest
from django.test import Client

from crm.models import Contact, Deal
from tests.webhooks.test_pages import ENDPOINTS, browser, endpoint, form, stage
from tests.webhooks.test_pages import alice as alice  # noqa: PLC0414  # a fixture of `browser`
from webhooks.endpoints import update_endpoint
from webhooks.models import InboundEndpoint
from webhooks.verification import SCHEMES

__all__ = ["browser", "endpoint", "stage"]
LANDING = {"allowed_origins": ["https://www.example.com"]}


def as_sent(client: Client, endpoint: InboundEndpoint) -> dict[str, Any]:
    """What a browser sends that opens the page and saves it untouched."""
    form = client.get(f"{ENDPOINTS}{endpoint.pk}/").context["form"]
    values = {bound.name: bound.value() for bound in form}
    return {name: value for name, value in values.items() if value not in (None, False)}


def save(client: Client, endpoint: InboundEndpoint, **changes: Any) -> Any:
    return client.post(f"{ENDPOINTS}{endpoint.pk}/", {**as_sent(client, endpoint), **changes})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_saving_the_page_untouched_changes_nothing(
    browser: Client, endpoint: InboundEndpoint, scheme: str
) -> None:
    verification = {"scheme": scheme}
    if scheme == "basic":
        verification["username"] = "erp"
    dedupe = {"keys": ["header:X-Id", "body:a.b"], "window_days": 7, "ignore": ["sent_at"]}
    more = {"handshakes": ["probe"], "allow_get": True, "test_mode": True, "landing": LANDING}
    fields = {"verification": verification, "dedupe": dedupe, **more}
    update_endpoint(endpoint_id=endpoint.pk, fields=fields)
    before = InboundEndpoint.objects.values().get()
    assert save(browser, endpoint).status_code == 302
    assert InboundEndpoint.objects.values().get() == before


@pytest.mark.parametrize(
    "verification",
    [
        {"scheme": "token", "in": "header", "name": "Authorization", "prefix": "Bearer "},
        {
            "scheme": "hmac",
            "field": "signature.value",
            "template": "{field:signature.at}",
            "algorithm": "sha1",
        },
        {
            "scheme": "hmac",
            "header": "Paddle-Signature",
            "template": "{timestamp}:{body}",
            "signature_part": "h1",
            "timestamp_part": "ts",
            "separator": ";",
            "tolerance_seconds": 5,
        },
    ],
)
def test_the_options_of_a_scheme_stay_as_they_are(
    browser: Client, endpoint: InboundEndpoint, verification: dict[str, Any]
) -> None:
    update_endpoint(endpoint_id=endpoint.pk, fields={"verification": verification})
    assert save(browser, endpoint).status_code == 302
    assert InboundEndpoint.objects.get().verification == verification


def test_all_of_it_can_be_set(browser: Client, endpoint: InboundEndpoint) -> None:
    save(
        browser,
        endpoint,
        scheme="hmac",
        hmac_header="X-Sig",
        hmac_prefix="sha256=",
        hmac_template="{timestamp}.{body}",
        hmac_timestamp_header="X-At",
        own_secret="theirs",
        dedupe_keys="header:X-Id\nbody:data.id\n",
        dedupe_window_days="5",
        landing_origins="https://www.example.com\nhttps://shop.example.com",
        landing_redirect_url="https://www.example.com/thanks",
        landing_honeypot="website",
        handshakes=["omie"],
        test_mode="on",
    )
    saved = InboundEndpoint.objects.get()
    assert saved.verification == {
        "scheme": "hmac",
        "header": "X-Sig",
        "prefix": "sha256=",
        "template": "{timestamp}.{body}",
        "timestamp_header": "X-At",
    }
    assert saved.secret == "theirs"
    assert saved.dedupe == {"keys": ["header:X-Id", "body:data.id"], "window_days": 5, "ignore": []}
    assert saved.landing == {
        "allowed_origins": ["https://www.example.com", "https://shop.example.com"],
        "honeypot": "website",
        "redirect_url": "https://www.example.com/thanks",
        "rate_per_address": 10,
    }
    assert (saved.handshakes, saved.test_mode, saved.allow_get) == (["omie"], True, False)


def test_a_verify_token_is_taken_and_not_shown(browser: Client, endpoint: InboundEndpoint) -> None:
    save(browser, endpoint, scheme="meta", own_secret="theirs", verify_token="our own token")
    assert InboundEndpoint.objects.get().verify_token == "our own token"
    assert "our own token" not in browser.get(f"{ENDPOINTS}{endpoint.pk}/").content.decode()
    save(browser, endpoint)
    assert InboundEndpoint.objects.get().verify_token == "our own token"


def test_emptied_settings_are_taken_away(browser: Client, endpoint: InboundEndpoint) -> None:
    dedupe = {"keys": ["header:X-Id"]}
    update_endpoint(endpoint_id=endpoint.pk, fields={"dedupe": dedupe, "landing": LANDING})
    save(browser, endpoint, dedupe_keys="", dedupe_window_days="", landing_origins="")
    saved = InboundEndpoint.objects.get()
    assert (saved.dedupe, saved.landing) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scheme": "hmac", "hmac_template": "{secret}"}, "scheme"),
        ({"scheme": "basic"}, "scheme"),
        ({"scheme": "meta", "verify_token": "short"}, "scheme"),
        ({"dedupe_keys": "cookie:id"}, "dedupe_keys"),
        ({"dedupe_window_days": "0"}, "dedupe_keys"),
        ({"landing_origins": "everywhere"}, "landing_origins"),
        ({"landing_origins": "https://a.example", "landing_redirect_url": "x"}, "landing_origins"),
        ({"handshakes": ["tango"]}, "handshakes"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(
    browser: Client, endpoint: InboundEndpoint, changes: dict[str, Any], field: str
) -> None:
    before = InboundEndpoint.objects.values().get()
    answer = save(browser, endpoint, **changes)
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert InboundEndpoint.objects.values().get() == before


def test_the_form_for_a_page_is_shown_and_works(browser: Client, endpoint: InboundEndpoint) -> None:
    page = f"{ENDPOINTS}{endpoint.pk}/"
    assert browser.get(page).context["html_form"] == ""
    update_endpoint(endpoint_id=endpoint.pk, fields={"landing": {**LANDING, "honeypot": "website"}})
    shown = browser.get(page)
    html = shown.context["html_form"]
    assert "&lt;form action=" in shown.content.decode()
    assert "<form data-stagehook" not in shown.content.decode()
    assert f'action="{endpoint.url}"' in html
    assert 'name="website"' in html
    fields = (
        "contact[name]=Ana&contact[emails][]=ana@example.com&contact[phones][]=&activity[body]=Hi&website="
    )
    for name in ("contact[name]", "contact[emails][]", "contact[phones][]", "activity[body]"):
        assert f'name="{name}"' in html
    answer = Client().post(f"/in/{endpoint.key}/", fields, content_type="application/x-www-form-urlencoded")
    assert answer.json()["status"] == "applied"
    assert (Contact.objects.get().name, Deal.objects.get().title) == ("Ana", "Ana")


def test_the_form_of_a_mapped_endpoint_has_the_names_that_people_use(
    browser: Client, endpoint: InboundEndpoint
) -> None:
    fields = {"landing": LANDING, "mapping": {"fields": {"deal.title": "name"}}}
    update_endpoint(endpoint_id=endpoint.pk, fields=fields)
    html = browser.get(f"{ENDPOINTS}{endpoint.pk}/").context["html_form"]
    assert all(f'name="{name}"' in html for name in ("name", "email", "phone", "message"))


def test_a_form_that_leaves_settings_out_leaves_them_as_they_are(
    browser: Client, endpoint: InboundEndpoint
) -> None:
    update_endpoint(endpoint_id=endpoint.pk, fields={"dedupe": {"keys": ["query:id"]}, "landing": LANDING})
    browser.post(f"{ENDPOINTS}{endpoint.pk}/", form(scheme="none"))
    saved = InboundEndpoint.objects.get()
    assert saved.dedupe is not None
    assert saved.landing is not None
