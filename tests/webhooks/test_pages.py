import json
import subprocess

import pytest
from django.test import Client

from crm.models import Deal, Pipeline, Stage, User
from tests.crm.test_deals_list import exported
from webhooks import standing
from webhooks.advice import ADVICE
from webhooks.endpoints import create_endpoint
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.samples import HIDDEN, curl_for

ENDPOINTS = "/webhooks/endpoints/"
REQUESTS = "/webhooks/requests/"


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@example.com", name="Alice", role=User.Role.ADMIN)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def stage(db: None) -> Stage:
    return Stage.objects.create(pipeline=Pipeline.objects.create(name="Sales"), name="New")


@pytest.fixture
def endpoint(stage: Stage) -> InboundEndpoint:
    return create_endpoint(fields={"name": "Shop", "verification": {"scheme": "none"}}, created_by=None)


def post(client: Client, endpoint: InboundEndpoint, document: object) -> InboundRequest:
    answer = client.post(f"/in/{endpoint.key}/", document, content_type="application/json")
    return InboundRequest.objects.get(pk=json.loads(answer.content)["id"])


def form(**changes: object) -> dict[str, object]:
    values = {"name": "Shop", "enabled": "on", "scheme": "standard_webhooks", "response_mode": "wait"}
    return {**values, "max_body_bytes": 1_048_576, **changes}


def test_a_new_endpoint_shows_its_secret_once(browser: Client, stage: Stage) -> None:
    first = browser.post(f"{ENDPOINTS}new/", form(default_stage=stage.pk), follow=True)
    endpoint = InboundEndpoint.objects.get()
    assert endpoint.secret
    assert first.context["secret"] == endpoint.secret
    assert endpoint.default_stage == stage
    again = browser.get(f"{ENDPOINTS}{endpoint.pk}/")
    assert again.context["secret"] is None
    assert endpoint.secret not in again.content.decode()


def test_the_secret_waits_for_its_page_encrypted(browser: Client, stage: Stage) -> None:
    browser.post(f"{ENDPOINTS}new/", form())
    assert InboundEndpoint.objects.get().secret not in json.dumps(dict(browser.session))


def test_an_endpoint_is_changed_and_keeps_its_secret(browser: Client, stage: Stage) -> None:
    browser.post(f"{ENDPOINTS}new/", form())
    secret = InboundEndpoint.objects.get().secret
    page = f"{ENDPOINTS}{InboundEndpoint.objects.get().pk}/"
    browser.post(page, form(name="Store", enabled="", networks="10.0.0.0/8\n192.0.2.1"))
    endpoint = InboundEndpoint.objects.get()
    assert (endpoint.name, endpoint.enabled, endpoint.secret) == ("Store", False, secret)
    assert endpoint.allowed_networks == ["10.0.0.0/8", "192.0.2.1/32"]


def test_another_scheme_is_taken_with_its_options(browser: Client, endpoint: InboundEndpoint) -> None:
    changed = form(scheme="token", token_in="query", token_name="key", own_secret="a long enough secret")
    browser.post(f"{ENDPOINTS}{endpoint.pk}/", changed)
    endpoint.refresh_from_db()
    assert endpoint.verification == {"scheme": "token", "in": "query", "name": "key"}
    assert endpoint.secret == "a long enough secret"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"scheme": "token", "own_secret": "short"}, "own_secret"),
        ({"scheme": "oauth"}, "scheme"),
        ({"networks": "everywhere"}, "networks"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(
    browser: Client, endpoint: InboundEndpoint, changes: dict[str, object], field: str
) -> None:
    before = InboundEndpoint.objects.values().get()
    changed = form(**{"token_in": "header", "token_name": "X-Token", **changes})
    answer = browser.post(f"{ENDPOINTS}{endpoint.pk}/", changed)
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert InboundEndpoint.objects.values().get() == before


def test_url_and_secret_are_replaced(browser: Client, stage: Stage) -> None:
    browser.post(f"{ENDPOINTS}new/", form())
    before = InboundEndpoint.objects.get()
    page = f"{ENDPOINTS}{before.pk}/"
    browser.post(f"{page}url/")
    shown = browser.post(f"{page}secret/", follow=True)
    after = InboundEndpoint.objects.get()
    assert after.key != before.key
    assert shown.context["secret"] == after.secret != before.secret
    assert after.previous_secret == before.secret


def test_an_endpoint_without_a_secret_has_none_to_replace(browser: Client, endpoint: InboundEndpoint) -> None:
    page = browser.post(f"{ENDPOINTS}{endpoint.pk}/secret/", follow=True).content.decode()
    assert "This scheme has no secret." in page


def test_a_deleted_endpoint_is_gone_and_its_requests_stay(browser: Client, endpoint: InboundEndpoint) -> None:
    request = post(browser, endpoint, {"deal": {"title": "An order"}})
    browser.post(f"{ENDPOINTS}{endpoint.pk}/delete/")
    assert browser.get(f"{ENDPOINTS}{endpoint.pk}/").status_code == 404
    assert browser.get(request.get_absolute_url()).status_code == 200


def test_the_list_counts_what_came_and_what_was_refused(browser: Client, endpoint: InboundEndpoint) -> None:
    post(browser, endpoint, {"deal": {"title": "An order"}})
    post(browser, endpoint, {"deal": {"title": "Another", "value": "much"}})
    ((row, day),) = browser.get("/webhooks/").context["rows"]
    assert (day.taken, day.refused) == (2, 1)
    assert row.last_at == InboundRequest.objects.newest_first()[0].received_at
    assert "Refusing" in browser.get("/webhooks/").content.decode()
    post(browser, endpoint, {"deal": {"title": "A third"}})
    assert "Refusing" not in browser.get("/webhooks/").content.decode()


def test_without_endpoints_the_page_says_what_they_are_for(browser: Client) -> None:
    assert "Make the first endpoint" in browser.get("/webhooks/").content.decode()


def test_an_applied_request_shows_what_it_changed(browser: Client, endpoint: InboundEndpoint) -> None:
    request = post(browser, endpoint, {"deal": {"title": "An order", "add_tags": ["shop", "new"]}})
    page = browser.get(request.get_absolute_url())
    assert ("deal.title", "—", "An order") in page.context["changes"]
    assert ("deal.tags", "—", "new, shop") in page.context["changes"]
    assert '"title": "An order"' in page.context["body"]


def test_a_rejected_request_says_why_and_can_be_tried_again(
    browser: Client, endpoint: InboundEndpoint
) -> None:
    request = post(browser, endpoint, {"deal": {"title": "An order", "stage": "Paid"}})
    page = browser.get(request.get_absolute_url()).content.decode()
    assert "deal.stage" in page
    assert "Mend the mapping, or make what is missing here; then try again." in page
    Stage.objects.create(pipeline=Pipeline.objects.get(), name="Paid", position=1)
    browser.post(f"{request.get_absolute_url()}replay/")
    request.refresh_from_db()
    assert (request.state, Deal.objects.get().stage.name) == ("applied", "Paid")
    told = browser.post(f"{request.get_absolute_url()}replay/", follow=True).content.decode()
    assert "Only what was rejected for its content, ignored or failed can be replayed." in told
    assert Deal.objects.count() == 1


def test_who_was_not_recognised_is_told_once_and_offered_no_second_try(
    browser: Client, endpoint: InboundEndpoint
) -> None:
    browser.post(f"{ENDPOINTS}{endpoint.pk}/", form(scheme="token", own_secret="a long enough secret"))
    browser.post(f"/in/{endpoint.key}/", "{}", content_type="application/json")
    page = browser.get(InboundRequest.objects.get().get_absolute_url())
    assert page.content.decode().count("The signature or token is missing, wrong or too old.") == 1
    assert (page.context["can_replay"], page.context["errors"]) == (False, [])


def test_a_body_that_is_nested_without_end_is_shown_as_it_came(
    browser: Client, endpoint: InboundEndpoint
) -> None:
    deep = "[" * 10_000
    browser.post(f"/in/{endpoint.key}/", deep, content_type="application/json")
    request = InboundRequest.objects.get()
    assert (request.state, request.reason) == ("rejected", "malformed")
    assert browser.get(request.get_absolute_url()).context["body"] == deep


def test_secrets_in_a_body_are_masked_where_it_is_shown_and_stay_where_it_is_kept(
    browser: Client, endpoint: InboundEndpoint
) -> None:
    body = {"list": [{"api_key": "abc-123", "key": "email"}], "token": {"access_token": "abc-456"}}
    request = post(browser, endpoint, body)
    shown = browser.get(request.get_absolute_url()).context["body"]
    assert json.loads(shown) == {
        "list": [{"api_key": "•••", "key": "email"}],
        "token": {"access_token": "•••"},
    }
    assert b"abc-456" in bytes(InboundRequest.objects.get().body)
    form_type = "application/x-www-form-urlencoded"
    browser.post(f"/in/{endpoint.key}/", "name=Ana&senha=abc-789", content_type=form_type)
    request = InboundRequest.objects.newest_first()[0]
    assert browser.get(request.get_absolute_url()).context["body"] == "name=Ana&senha=•••"


def test_the_tabs_of_the_log_say_how_many_are_in_each_state(
    browser: Client, endpoint: InboundEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("1", "much", "plenty"):
        post(browser, endpoint, {"deal": {"title": "An order", "value": value}})
    tabs = {tab.state: tab.count for tab in browser.get(REQUESTS).context["tabs"]}
    assert tabs == {
        "": None,
        "received": 0,
        "applied": 1,
        "duplicate": 0,
        "rejected": 2,
        "failed": 0,
        "ignored": 0,
    }
    monkeypatch.setattr(standing, "COUNTED", 1)
    assert standing.counts_by_state()["rejected"] == 2  # one more than is counted
    narrowed = browser.get(f"{REQUESTS}?period=hour").context["tabs"]
    assert {tab.count for tab in narrowed} == {None}


def test_a_row_of_the_log_follows_its_state(browser: Client, endpoint: InboundEndpoint) -> None:
    request = post(browser, endpoint, {"deal": {"title": "An order", "stage": "Paid"}})
    seen = f"{request.pk}.{request.version}"
    assert f'value="{seen}"' in browser.get(REQUESTS).content.decode()
    newer = f"{REQUESTS}newer/?since={request.pk}&seen={seen}"
    assert request.pk not in browser.get(newer).content.decode()
    Stage.objects.create(pipeline=Pipeline.objects.get(), name="Paid", position=1)
    browser.post(f"{request.get_absolute_url()}replay/")
    told = browser.get(newer).content.decode()
    assert f'<tr id="{request.pk}" hx-swap-oob="true">' in told
    assert "Applied" in told


def test_the_log_can_be_narrowed(browser: Client, endpoint: InboundEndpoint) -> None:
    post(browser, endpoint, {"deal": {"title": "An order"}})
    fits = [
        "",
        "state=applied",
        f"endpoint={endpoint.pk}",
        "period=hour",
        "state=nonsense&endpoint=x&before=y",
    ]
    assert [len(browser.get(f"{REQUESTS}?{query}").context["requests"]) for query in fits] == [1] * 5
    assert not browser.get(f"{REQUESTS}?state=rejected").context["requests"]


def test_the_log_tells_how_many_came_since_it_was_opened(browser: Client, endpoint: InboundEndpoint) -> None:
    first = post(browser, endpoint, {"deal": {"title": "An order"}})
    assert f"since={first.pk}" in browser.get(f"{REQUESTS}?state=applied").content.decode()
    newer = f"{REQUESTS}newer/?since={first.pk}&state=applied"
    assert "new" not in browser.get(newer).content.decode()
    post(browser, endpoint, {"deal": {"title": "Another", "value": "much"}})
    post(browser, endpoint, {"deal": {"title": "A third"}})
    told = browser.get(newer).content.decode()
    assert "1 new" in told
    assert f'href="{REQUESTS}?state=applied"' in told


def test_every_reason_that_somebody_can_mend_says_how() -> None:
    assert set(InboundRequest.Reason.values) - set(ADVICE) == {"handshake", "erased"}


def test_the_log_is_read_page_by_page_newest_first(browser: Client, endpoint: InboundEndpoint) -> None:
    first = post(browser, endpoint, {"deal": {"title": "An order"}})
    rows = [
        InboundRequest(endpoint=endpoint, received_at=first.received_at, state="ignored") for _ in range(50)
    ]
    InboundRequest.objects.bulk_create(rows)
    page = browser.get(REQUESTS)
    rest = browser.get(REQUESTS + page.context["next_url"])
    shown = [row.pk for each in (page, rest) for row in each.context["requests"]]
    assert shown == list(InboundRequest.objects.newest_first().values_list("pk", flat=True))


@pytest.mark.parametrize(
    "verification",
    [
        {"scheme": "none"},
        {"scheme": "token"},
        {"scheme": "token", "in": "query", "prefix": "x "},
        {"scheme": "basic", "username": "érp"},
        {"scheme": "standard_webhooks"},
    ],
)
def test_the_example_is_accepted_by_its_endpoint(
    live_server: object, stage: Stage, settings: object, verification: dict[str, str]
) -> None:
    settings.PUBLIC_URL = live_server.url  # type: ignore[attr-defined]  # pytest-django's fixtures
    endpoint = create_endpoint(
        fields={"name": "Shop", "verification": verification, "default_stage": stage}, created_by=None
    )
    command = curl_for(endpoint, secret=endpoint.new_secret)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "applied"


def test_there_is_no_example_for_senders_who_sign_in_their_own_way(endpoint: InboundEndpoint) -> None:
    endpoint.verification = {"scheme": "stripe"}
    assert curl_for(endpoint, secret="whsec_1") == ""


def test_the_example_leaves_a_place_for_a_secret_that_is_not_known(endpoint: InboundEndpoint) -> None:
    endpoint.verification = {"scheme": "token", "in": "header", "name": "X-Token"}
    assert f"-H 'X-Token: {HIDDEN}'" in curl_for(endpoint, secret=None)


@pytest.mark.parametrize("path", ["", "endpoints/new/", "endpoints/1/", "requests/", "requests/req_1/"])
def test_only_administrators_see_the_pages(client: Client, db: None, path: str) -> None:
    assert client.get(f"/webhooks/{path}")["Location"].startswith("/login/")
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    assert client.get(f"/webhooks/{path}").status_code == 403


def test_only_administrators_change_endpoints(client: Client, endpoint: InboundEndpoint) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    before = InboundEndpoint.objects.values().get()
    for path in ("", "url/", "secret/", "delete/"):
        assert client.post(f"{ENDPOINTS}{endpoint.pk}/{path}", form(name="Bob's")).status_code == 403
    assert InboundEndpoint.objects.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_the_log_is_exported_as_it_is_filtered(
    alice: User, client: Client, endpoint: InboundEndpoint
) -> None:
    made = post(client, endpoint, {"deal": {"title": "=1+1"}, "contact": {"name": "Ana"}})
    post(client, endpoint, {"deal": {"stage": "Nowhere"}})
    heads, *rows = exported(alice, f"{REQUESTS}export/?state=applied")
    assert heads[:4] == ["id", "Received", "Endpoint", "State"]
    assert [(row[0], row[2], row[3], row[6]) for row in rows] == [(made.pk, "Shop", "Applied", "'=1+1")]
    assert len(exported(alice, f"{REQUESTS}export/")) == 3
