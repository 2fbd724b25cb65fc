"""Every page of the site as people meet it: large and on a phone, light and dark. New pages come in by themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from crm.models import User
from tests.journeys.conftest import AT_REST
from tests.routes import demo_with_one_of_each, pages

LARGE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
TARGET = 44  # CSS pixels a finger needs
MOST_SHIFT = 0.1  # what web.dev's Core Web Vitals call good

SHIFTS = """
    window.shifted = 0
    new PerformanceObserver(list => {
        for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value
    }).observe({ type: "layout-shift", buffered: true })
"""
# Serious and critical findings, as `rule: element`.
AXE = """
    async options => (await axe.run(document, { resultTypes: ["violations"], ...options })).violations
        .filter(each => ["serious", "critical"].includes(each.impact))
        .flatMap(each => each.nodes.map(
            node => `${each.id}: ${node.html.slice(0, 160)} ${node.failureSummary.replaceAll("\\n", " ")}`
        ))
"""
# What is pressed in toolbars and forms and is too low for a finger, with all that takes the press for it: its label, a
# ::before or ::after laid over it. Links in running text and in tables are left out, and what is pressed in code.
LOW = """
    target => {
        const pressed = "button, summary, select, textarea, input:not([type=hidden]), [role=button], "
            + "a:is(.btn, .icon-btn, .chip, .back, .nav-link, .menu-item), .tabs > a"
        const height = each => each?.getBoundingClientRect().height ?? 0
        const laidOver = (each, part) => {
            const style = getComputedStyle(each, part)
            return style.content !== "none" && style.position === "absolute" ? parseFloat(style.height) || 0 : 0
        }
        const reach = each => Math.max(
            height(each), laidOver(each, "::before"), laidOver(each, "::after"),
            ...[...(each.labels ?? [])].map(label => Math.max(height(label), laidOver(label, "::after")))
        )
        return [...document.querySelectorAll(pressed)]
            .filter(each => each.checkVisibility(
                { visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true }
            ))
            .filter(each => !each.closest(".skip, .for-readers, [inert], pre"))
            .filter(each => getComputedStyle(each).display !== "inline")
            .filter(each => reach(each) < target - 0.5)
            .map(each => `${Math.round(reach(each))} px: ${each.outerHTML.slice(0, 140).replace(/\\s+/g, " ")}`)
    }
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page and whose session opens it; nobody's where everybody may."""

    name: str
    url: str
    session: str = ""


@pytest.fixture
def every_page(transactional_db: None) -> Sequence[Opened]:
    """All addresses that answer with a whole page."""
    arguments = demo_with_one_of_each()
    stranger, admin = Client(), Client()
    admin.force_login(User.objects.get(email="ana@example.com"))
    session = admin.cookies[settings.SESSION_COOKIE_NAME].value
    found = list[Opened]()
    for route in pages():
        if route.name in ("live", "logout"):
            continue
        url = route.url(arguments)
        if _is_page(stranger.get(url)):
            found.append(Opened(route.name, url))
        elif _is_page(admin.get(url)):
            found.append(Opened(route.name, url, session))
    return sorted(found, key=lambda opened: opened.session)


def _is_page(answer: Any) -> bool:
    return (
        answer.status_code == 200
        and not answer.streaming
        and answer.content.lstrip()[:9].lower() == b"<!doctype"
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [LARGE, PHONE], ids=["large", "phone"])
def test_every_page_is_fit_for_everybody(
    every_page: Sequence[Opened],
    open_context: Callable[..., BrowserContext],
    site: str,
    size: dict[str, int],
) -> None:
    assert len(every_page) > 60
    context = open_context(viewport=size, has_touch=size is PHONE, reduced_motion="reduce")
    context.add_init_script(SHIFTS)
    context.add_init_script(AXE_SCRIPT)
    page, wrong = context.new_page(), list[str]()
    for opened in every_page:
        if opened.session:
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": opened.session, "url": site}])
        wrong += [f"{opened.name} {problem}" for problem in _problems(page, opened.url, size)]
    assert wrong == [], "\n".join(wrong)


def _problems(page: Page, url: str, size: dict[str, int]) -> list[str]:
    page.emulate_media(color_scheme="light")
    page.goto(url)
    expect(page.locator(".htmx-request")).to_have_count(0)
    found = _axe(page, {})
    if (shifted := _shift(page)) >= MOST_SHIFT:
        found.append(f"shifts by {shifted:.2f}")
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("scrolls sideways")
    if size is PHONE:
        found += page.evaluate(LOW, TARGET)
    page.emulate_media(color_scheme="dark")
    return found + [f"dark {problem}" for problem in _axe(page, {"runOnly": ["color-contrast"]})]


def _shift(page: Page) -> float:
    """By how much things move while it loads: the least of three times, since a busy machine draws half a page."""
    shifts = [float(page.evaluate("shifted"))]
    while shifts[-1] >= MOST_SHIFT and len(shifts) < 3:
        page.reload()
        shifts.append(float(page.evaluate("shifted")))
    return min(shifts)


def _axe(page: Page, options: dict[str, Any]) -> list[str]:
    page.evaluate(AT_REST)
    return list(page.evaluate(AXE, options))
