import re
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from openapi_spec_validator import OpenAPIV31SpecValidator

from config.api import router
from crm.models import Deal
from tests.crm.api import ApiClient


@pytest.fixture
def schema(db: None) -> Any:
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        answer = Client().get("/api/schema/")
    assert answer["Content-Type"] == "application/json"
    return answer.json()


def test_the_schema_is_valid_openapi_3_1(schema: Any) -> None:
    assert schema["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(schema).validate()


def test_the_schema_was_made_without_a_guess(schema: Any) -> None:
    warnings, mistakes = GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache
    assert ([*warnings], [*mistakes]) == ([], [])


def test_the_schema_names_every_resource(schema: Any) -> None:
    for prefix, _viewset, _name in router.registry:
        assert f"/api/v1/{prefix}/" in schema["paths"]


def test_a_deal_looks_as_the_schema_says(schema: Any, api: ApiClient, deal: Deal) -> None:
    promised = schema["components"]["schemas"]["Deal"]
    shown = api.get(f"deals/{deal.pk}/").json()
    assert list(promised["properties"]) == list(shown)


def test_the_docs_hold_nothing_from_elsewhere_and_nothing_inline(db: None) -> None:
    page = Client().get("/api/docs/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "'unsafe-inline'" not in page["Content-Security-Policy"]
    assert not re.search(r"<style|<script>|\son\w+=|style=|https?://", text)
    script = re.search(
        r'<script src="([^"]+script[^"]*)"></script>\s*</body>|<script src="(/api/docs/[^"]*)"', text
    )
    assert script is not None
    assert "SwaggerUIBundle" in Client().get(script[1] or script[2]).content.decode()
