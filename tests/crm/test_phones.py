"""Numbers as people read them, and click to call: each person's own way to dial."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import update_deal
from crm.models import Deal, User
from crm.phones import as_read, call_url, validate_call_url
from tests.crm.api import ApiClient, errors
from tests.crm.pages import browser_of

PHONE = "+5511987654321"


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("tel:{phone}", "tel:+5511987654321"),
        ("callto:{phone}", "callto:+5511987654321"),
        ("sip:{phone}@pbx.example.com;transport=tls", "sip:+5511987654321@pbx.example.com;transport=tls"),
        (
            "https://pbx.example.com/call?to={phone}&x=1",
            "https://pbx.example.com/call?to=%2B5511987654321&x=1",
        ),
        ("https://pbx.example.com?to={phone}", "https://pbx.example.com?to=%2B5511987654321"),
    ],
)
def test_a_template_dials(template: str, address: str) -> None:
    validate_call_url(template)
    assert call_url(template, PHONE) == address


@pytest.mark.parametrize(
    "template",
    [
        *("", "tel:", "{phone}", "tel:{phone}{phone}", "tel:{number}", "tel:{phone}{x}", "tel:{phone} 1"),
        *(
            "javascript:alert('{phone}')",
            "JAVASCRIPT:{phone}",
            "data:text/html,{phone}",
            "http://a.example/{phone}",
        ),
        *("https:{phone}", "https://{phone}", "https://{phone}.example.com/", "https://a.example:{phone}"),
        *("https://user@a.example/{phone}", "https:///{phone}", "tel:{phone}\n", "tel:\u202e{phone}"),
    ],
)
def test_a_template_that_could_lead_elsewhere_is_refused(template: str) -> None:
    with pytest.raises(ValidationError):
        validate_call_url(template)


def test_the_phones_of_deal_and_contact_dial_in_the_readers_way(
    deal: Deal, actor: Actor, alice: User, bob: User
) -> None:
    contact = create_contact(actor=actor, fields={"name": "Ana", "phones": [PHONE]})
    update_deal(deal_id=deal.pk, actor=actor, fields={"contact": contact, "owner": bob})
    User.objects.filter(pk=bob.pk).update(call_url="sip:{phone}@pbx.example.com")
    for page in (f"/deals/{deal.pk}/", f"/contacts/{contact.pk}/"):
        assert f'href="tel:{PHONE}"' in browser_of(alice).get(page).content.decode()
        assert f'href="sip:{PHONE}@pbx.example.com"' in browser_of(bob).get(page).content.decode()


def test_each_person_sets_it_on_a_page_of_their_own(bob: User) -> None:
    browser = browser_of(bob)
    assert 'value="tel:{phone}"' in browser.get("/settings/telephone/").content.decode()
    refused = browser.post("/settings/telephone/", {"call_url": "javascript:{phone}"})
    assert refused.status_code == 422
    assert "begins with tel:, sip:, callto: or https://" in refused.content.decode()
    template = "https://pbx.example.com/?to={phone}"
    saved = browser.post("/settings/telephone/", {"call_url": template})
    assert (saved.status_code, User.objects.get(pk=bob.pk).call_url) == (302, template)


def test_administrators_set_it_through_the_api(api: ApiClient, bob: User) -> None:
    answer: Any = api.patch(f"users/{bob.pk}/", call_url="callto:{phone}")
    assert answer.json()["call_url"] == "callto:{phone}"
    assert errors(api.patch(f"users/{bob.pk}/", call_url="data:{phone}")) == [("invalid", "call_url")]


@pytest.mark.parametrize(
    ("phone", "read"),
    [
        ("+5511912345678", "+55 11 91234-5678"),
        ("+14155552671", "+1 415-555-2671"),
        ("+5511", "+5511"),
        ("ramal 12", "ramal 12"),
    ],
)
def test_a_number_is_read_as_its_country_writes_it(phone: str, read: str) -> None:
    assert as_read(phone) == read
