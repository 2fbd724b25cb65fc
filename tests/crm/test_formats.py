"""Numbers, money and times in both languages, and the icons that templates name."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from crm import formats
from crm.icons import ICONS, sprite
from tests.processes import PROJECT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        ("1500", "R$1,500", "R$ 1.500"),
        ("1500.5", "R$1,500.50", "R$ 1.500,50"),
        ("0", "R$0", "R$ 0"),
    ],
)
def test_money_shows_cents_where_there_are_any(value: str, english: str, portuguese: str) -> None:
    with translation.override("en"):
        assert formats.money(Decimal(value), "BRL") == english
    with translation.override("pt-br"):
        assert formats.money(Decimal(value), "BRL").replace("\N{NO-BREAK SPACE}", " ") == portuguese


def test_large_sums_are_short_in_headlines() -> None:
    with translation.override("pt-br"):
        short = formats.money_short(Decimal(15_900_000), "BRL")
    assert short.replace("\N{NO-BREAK SPACE}", " ") == "R$ 15,9 mi"


@pytest.mark.parametrize(
    ("distance", "english", "portuguese"),
    [
        (timedelta(seconds=-20), "now", "agora"),
        (timedelta(hours=-2), "2 hours ago", "há 2 horas"),
        (timedelta(days=3), "in 3 days", "em 3 dias"),
    ],
)
def test_times_are_told_by_their_distance(distance: timedelta, english: str, portuguese: str) -> None:
    for language, expected in (("en", english), ("pt-br", portuguese)):
        with translation.override(language):
            assert formats.ago(NOW + distance, now=NOW) == expected


def test_days_are_counted_on_the_calendar() -> None:
    with translation.override("en"):
        labels = [formats.day_label(NOW + timedelta(days=days), now=NOW) for days in (-40, -1, 0, 1, 12)]
    assert labels == ["40 days ago", "yesterday", "today", "tomorrow", "in 12 days"]


def test_initials_are_those_of_the_first_and_the_last_name() -> None:
    assert [formats.initials(name) for name in ("Ana Souza Lima", "bob", "")] == ["AL", "B", ""]


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    named = {
        name
        for template in (PROJECT / "templates").rglob("*.html")
        for name in re.findall(r'{% icon "([^"]+)"', template.read_text())
    }
    assert named <= ICONS.keys()
    assert all(f'id="i-{name}"' in sprite() for name in ICONS)


@pytest.mark.parametrize(
    ("digits", "read"),
    [("11222333000181", "11.222.333/0001-81"), ("52998224725", "529.982.247-25"), ("123", "123"), ("", "")],
)
def test_a_tax_id_is_read_with_its_points(digits: str, read: str) -> None:
    assert formats.tax_id(digits) == read
