"""Addresses and forms that no page of ours would send: they find nothing, and never break a page."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from crm.models import User
from tests.routes import Route, demo_with_one_of_each, pages

pytestmark = pytest.mark.django_db

TOO_LONG = "9" * 5000  # digits that Python will not read
NUL = "a\0b"
LAST_DAY = "9999-12-31"  # it has no day after it
# By the names of pages: what they are asked with.
ASKED: dict[str, dict[str, str]] = {
    "home": {"created_before": LAST_DAY},
    "deals": {"created_before": LAST_DAY, "after": TOO_LONG, "q": NUL},
    "overdue-activities": {"due_before": LAST_DAY, "after": TOO_LONG},
    "all-activities": {"due_after": LAST_DAY, "due_before": "0001-01-01"},
    "stage-cards": {"after": NUL},
    "board-columns": {"loaded": f"{TOO_LONG}:{TOO_LONG}"},
    "board-touched": {"deal": TOO_LONG},
    "filters": {"layout": "board", "pipeline": TOO_LONG},
    "new-deal-line": {"product": TOO_LONG},
    "new-activity": {"about": f"deal:{TOO_LONG}", "on": LAST_DAY},
    "search": {"q": NUL, "recent": f"deal:{TOO_LONG}"},
    "new-rule": {"stage": TOO_LONG, "pipeline": TOO_LONG},
    "deliveries": {"before": NUL},
    "newer-deliveries": {"since": NUL, "seen": f"{NUL}.1"},
    "inbound-review": {"endpoint": TOO_LONG},
    "inbound-requests": {"before": NUL},
}
SENT: dict[str, dict[str, str]] = {
    "bulk": {"deal": TOO_LONG, "step": "ask"},
    "board-undo": {"deal": TOO_LONG, "before": TOO_LONG},
    "deal-field": {"was": TOO_LONG, "value": TOO_LONG},
    "move-activity": {"to": NUL},
    "merge-contact": {"seen": "7 2026-99-99T00:00:00"},
    "order-pipelines": {"id": TOO_LONG},
    "order-rules": {"id": TOO_LONG},
    "preview-rule": {"deal": TOO_LONG},
    "many-deliveries": {"ids": NUL, "action": "resend"},
    "decide-request": {"deal": TOO_LONG},
}


def test_what_nobody_would_send_breaks_no_page() -> None:
    arguments = demo_with_one_of_each() | {"deal-field.name": "owner"}
    client = Client()
    client.force_login(User.objects.get(email="ana@example.com"))
    client.cookies["folded"] = TOO_LONG
    codes = {
        route.name: client.get(_path(route, arguments), ASKED[route.name]).status_code for route in _of(ASKED)
    }
    assert codes == dict.fromkeys(ASKED, 200)
    codes = {
        route.name: client.post(_path(route, arguments), SENT[route.name]).status_code for route in _of(SENT)
    }
    assert codes.keys() == SENT.keys()
    assert max(codes.values()) < 500
    assert client.get("/deals/1/fields/a%00b/").status_code == 404


def _of(names: dict[str, Any]) -> Iterator[Route]:
    return (route for route in pages() if route.name in names)


def _path(route: Route, arguments: dict[str, Any]) -> str:
    return route.url(arguments).partition("?")[0]
