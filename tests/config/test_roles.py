"""Who may open what: every named page and every address of the API, by every role.

A new address fails `test_every_address_says_for_whom_it_is`. It needs its name in one of the lists of PAGES or API
below and, where an argument is new, something to open it on in `tests.routes`.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from enum import Enum, auto

import pytest
from django.db import transaction
from django.test import Client

from crm.models import User
from crm.tokens import create_token
from tests.routes import Arguments, Route, api_routes, demo_with_one_of_each, pages

pytestmark = pytest.mark.django_db


class For(Enum):
    """For whom an address is."""

    OPEN = auto()  # everybody, without a login
    PEOPLE = auto()  # everybody who is logged in
    DEAL = auto()  # whoever sees the deal it is about
    OWN = auto()  # the person whose it is
    OWNER = auto()  # the same, and administrators
    MANAGERS = auto()  # managers and administrators
    MERGES = auto()  # everybody reads, managers and administrators write
    CONFIG = auto()  # everybody reads, administrators write
    ADMINS = auto()  # administrators


PAGES = {
    For.OPEN: """
        api-docs schema language login logout login-code
        password_reset password_reset_done password_reset_confirm password_reset_complete accept-invitation
    """,
    For.PEOPLE: """
        home board board-columns board-touched board-undo card-fields stage-cards stage-deals quick-create
        deals deal-ids bulk undo-moves filters export-deals views new-view forecast search
        activities overdue-activities all-activities activity-calendar export-activities activity-count
        activity-about new-activity
        new-contact contact-duplicates contact-field new-company company-duplicates company-field
        contacts contact companies company company-names subscriptions notices read-notices
        export-contacts export-companies export-subscriptions
        settings profile notice-mails telephone security two-step tokens
    """,
    For.DEAL: """
        deal deal-actions deal-cell deal-field deal-note deal-call deal-mentions
        deal-files delete-deal-file move-deal enter-stage reopen-deal
        new-deal-line deal-line remove-deal-line follow-products retry-recording
        activity complete-activity reopen-activity move-activity delete-activity
    """,
    For.MANAGERS: """
        imports new-import import import-mapping run-import cancel-import undo-import import-problems
        merge-contact-with merge-contact dismiss-contact merge-company-with merge-company dismiss-company
    """,
    For.OWN: "view delete-view notice",
    For.OWNER: "revoke-token",
    For.ADMINS: """
        rules new-rule preview-rule rule-condition rule order-rules copy-rule rule-deals rule-document
        toggle-rule delete-rule test-send if-it-fails
        destinations new-destination destination pause-destination resume-destination probe-destination
        recover-destination rotate-destination delete-destination destination-secret
        erase-contact hours-of-deliveries export-deliveries
        deliveries newer-deliveries many-deliveries delivery resend-delivery cancel-delivery
        resend-job stop-resend-job insights alert-rules
        endpoints new-endpoint new-endpoint-from-preset endpoint recording-access rotate-endpoint-url
        rotate-endpoint-secret delete-endpoint endpoint-mapping mapping-row mapping-rows mapping-preview
        mapping-trial mapping-result mapping-arrivals
        inbound-review decide-request replay-many replay-job stop-replay
        inbound-requests newer-requests export-requests inbound-request replay-request
        pipelines new-pipeline order-pipelines pipeline order-stages new-stage stage end-stage
        custom-fields new-custom-field custom-field end-custom-field
        users user reset-two-step invitations resend-invitation revoke-invitation
        tags tags-new tags-edit tags-delete sources sources-new sources-edit sources-delete
        lost-reasons lost-reasons-new lost-reasons-edit lost-reasons-delete
        products products-new products-edit products-delete teams teams-new teams-edit teams-delete
    """,
}
API = {
    For.PEOPLE: """
        deal-list deal-bulk-move contact-list contact-detail company-list company-detail
        activity-list call-list subscription-list tag-list tag-detail apitoken-list
        rule-run
    """,
    For.DEAL: """
        deal-detail deal-move deal-win deal-lose deal-reopen deal-timeline activity-detail subscription-detail
        call-detail call-retry-recording
    """,
    For.OWNER: "apitoken-detail",
    For.MERGES: "contact-duplicates contact-merge company-duplicates company-merge",
    For.CONFIG: """
        pipeline-list pipeline-detail stage-list stage-detail source-list source-detail
        lostreason-list lostreason-detail customfield-list customfield-detail team-list team-detail
    """,
    For.ADMINS: """
        user-list user-detail contact-erase
        destination-list destination-detail destination-pause destination-resume destination-probe
        destination-recover destination-secret destination-rotate-secret destination-test
        rule-list rule-detail rule-preview rule-explain
        delivery-list delivery-detail delivery-cancel delivery-resend delivery-bulk-cancel delivery-bulk-resend
        resendjob-list resendjob-detail resendjob-cancel
        inboundendpoint-list inboundendpoint-detail inboundendpoint-preview inboundendpoint-replays
        inboundendpoint-rotate-url inboundendpoint-rotate-secret
        inboundrequest-list inboundrequest-detail inboundrequest-decide inboundrequest-replay
    """,
}
# Here nothing could be told from the answer; they are tested beside what they are about.
APART = {
    "live",  # a stream that never ends
    "receive",  # knows no roles: senders prove themselves
    "recording",  # 404 without the bytes of a recording
    "deal-file",  # and of a file
    "call-recording",
    "run-rule",  # asks for a deal, and that it is seen
    "two-step-off",  # 404 while it is off
    "two-step-codes",
}

ROLES = {
    "nobody": "",
    "another rep": "leticia@example.com",
    "rep": "bruna@example.com",
    "manager": "marcos@example.com",
    "admin": "ana@example.com",
}
OTHERS = dict.fromkeys(("another rep", "manager"), 404)
REPS = dict.fromkeys(("another rep", "rep"), 403)
ALL_BUT_ADMINS = dict.fromkeys(("another rep", "rep", "manager"), 403)
LOGIN = "to the login"
READER = "read-only token"
# How those are refused for whom an address is not; all others are let in.
REFUSALS: Mapping[For, Mapping[str, int]] = {
    For.OPEN: {},
    For.PEOPLE: {},
    For.DEAL: {"another rep": 404},
    For.OWN: {**OTHERS, "admin": 404},
    For.OWNER: OTHERS,
    For.MANAGERS: REPS,
    For.MERGES: REPS,
    For.CONFIG: ALL_BUT_ADMINS,
    For.ADMINS: ALL_BUT_ADMINS,
}


def table(lists: Mapping[For, str]) -> dict[str, For]:
    return {name: whom for whom, names in lists.items() for name in names.split()}


@pytest.mark.parametrize(("routes", "lists"), [(pages, PAGES), (api_routes, API)], ids=["PAGES", "API"])
def test_every_address_says_for_whom_it_is(
    routes: Callable[[], list[Route]], lists: Mapping[For, str]
) -> None:
    there, listed = {route.name for route in routes()} - APART, [*table(lists)]
    assert sorted(there - {*listed}) == [], (
        "put these into a list of PAGES or API in tests/config/test_roles.py"
    )
    assert sorted({*listed} - there) == [], "take these out of PAGES and API in tests/config/test_roles.py"
    assert len(listed) == len(" ".join(lists.values()).split()), "a name is listed twice"


@pytest.fixture(scope="module")
def arguments(whole_module: None) -> Arguments:
    """The demo is loaded once; each request is taken back by itself."""
    return demo_with_one_of_each()


def client_of(role: str) -> Client:
    client = Client(raise_request_exception=False)
    if role == READER:
        admin = User.objects.get(email=ROLES["admin"])
        _token, text = create_token(owner=admin, name="reads", scopes=["read"])
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    elif role != "nobody":
        client.force_login(User.objects.get(email=ROLES[role]))
    return client


def ask(client: Client, method: str, url: str) -> int | str:
    """The status of the answer, or LOGIN. What it wrote is taken back, and who has logged out is in again."""
    cookies = deepcopy(client.cookies)
    with transaction.atomic():
        if "/api/v1/" in url:
            answer = client.generic(method.upper(), url, "{}", content_type="application/json")
        else:
            answer = client.get(url) if method == "get" else client.post(url)
        transaction.set_rollback(True)
    client.cookies = cookies
    return LOGIN if answer.get("Location", "").startswith("/login/?next=") else answer.status_code


@pytest.mark.parametrize("role", ROLES)
def test_pages_open_for_those_they_are_for(arguments: Arguments, role: str) -> None:
    client, whom, wrong = client_of(role), table(PAGES), list[str]()
    for route in pages():
        if route.name in APART:
            continue
        url = route.url(arguments)
        got = ask(client, "get", url)
        if got == 405:
            got = ask(client, "post", url)
        is_open = whom[route.name] == For.OPEN
        expected = LOGIN if role == "nobody" and not is_open else REFUSALS[whom[route.name]].get(role)
        wrong += problem(route.name, got, expected)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("role", [*ROLES, READER])
def test_the_api_answers_those_it_is_for(arguments: Arguments, role: str) -> None:
    client, whom, wrong = client_of(role), table(API), list[str]()
    for route in api_routes():
        if route.name in APART:
            continue
        for method in route.methods:
            got = ask(client, method, route.url(arguments))
            expected = expected_of(role, whom[route.name], route.name, method)
            wrong += problem(f"{method} {route.name}", got, expected)
    assert wrong == [], "\n".join(wrong)


def problem(what: str, got: int | str, expected: int | str | None) -> list[str]:
    """Without an expected refusal, answers will do that say nothing about who asks: done, elsewhere, not like this."""
    is_welcome = isinstance(got, int) and got < 500 and got not in (401, 403, 404, 405)
    is_right = got == expected if expected else is_welcome
    return [] if is_right else [f"{what}: {got} instead of {expected or 'welcome'}"]


def expected_of(role: str, whom: For, name: str, method: str) -> int | None:
    if role == "nobody":
        return 401
    if role == READER:
        return 403 if method != "get" or name == "destination-secret" else None
    return None if whom in (For.CONFIG, For.MERGES) and method == "get" else REFUSALS[whom].get(role)
