"""Journeys: whole routes in a real Chromium against a real web process."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.error import URLError
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from crm.models import User
from tests.processes import PROJECT, eventually

# Playwright's loop runs in this thread, where Django would otherwise refuse to touch the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# As long as any other wait for a page, so that a slow machine fails no journey.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return {**browser_type_launch_args, "executable_path": chromium, "args": ["--no-sandbox"]}


@pytest.fixture(scope="session")
def site(django_db_setup: None) -> Iterator[str]:
    """The address of a web process that works on the tests' database."""
    with closing(socket.create_server(("127.0.0.1", 0))) as chosen:
        port = chosen.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    command += ["--log-level", "warning", "--timeout-graceful-shutdown", "1"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_URL": _database_url(),
        "DATA_DIR": str(settings.DATA_DIR.parent),
    }
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=PROJECT, env=environment) as process:
        try:
            eventually(lambda: _answers(f"{address}/login/"), seconds=60)
            yield address
        finally:
            process.terminate()


def _database_url() -> str:
    parameters = connection.get_connection_params()
    user = quote(parameters.get("user", "postgres"), safe="")
    password = f":{quote(parameters['password'], safe='')}" if parameters.get("password") else ""
    host = quote(str(parameters["host"]), safe="")
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"postgresql://{user}{password}@{host}{port}/{connection.settings_dict['NAME']}"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (URLError, TimeoutError):
        return False


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_user("alice@example.com", "secret", name="Alice Reis", role=User.Role.ADMIN)


@pytest.fixture
def bob(transactional_db: None) -> User:
    return User.objects.create_user("bob@example.com", "secret", name="Bob Dias", role=User.Role.MANAGER)


@pytest.fixture
def open_context(site: str, browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A browser of its own, in which nobody is logged in: `open_context(color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def opened(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(base_url=site, locale="en-US", **options))
        return contexts[-1]

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def open_page(
    site: str, open_context: Callable[..., BrowserContext], transactional_db: None
) -> Callable[..., Page]:
    """Opens a page as a user, in a browser of the user's own: `open_page(alice, "/", color_scheme="dark")`."""

    def open_as(user: User, path: str, **options: Any) -> Page:
        context = open_context(**options)
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site}])
        page = context.new_page()
        page.goto(path)
        return page

    return open_as


# An animation that is paused, or begun anew while it is waited for, never finishes.
AT_REST = """
    Promise.race([
        Promise.allSettled(document.getAnimations()
            .filter(each => each.effect.getComputedTiming().iterations !== Infinity)
            .map(each => each.finished)),
        new Promise(passed => setTimeout(passed, 2000)),
    ])
"""


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """What axe finds wrong with a page, as `rule: element`, once nothing fades: colours are judged at rest."""

    def found(page: Page) -> list[str]:
        page.evaluate(AT_REST)
        answer = Axe().run(page)
        return [
            f"{violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
            for violation in answer.response["violations"]
            for node in violation["nodes"]
        ]

    return found
