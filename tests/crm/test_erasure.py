"""Erasing a person: what is taken away, what stays, and who may do it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import TestCase
from pytest_django import Settings

from crm.actors import Actor
from crm.contacts import create_contact, update_contact
from crm.deals import create_deal, update_deal
from crm.deals.verbs import add_note
from crm.erasure import erase_contact
from crm.files import keep_file
from crm.history import deal_timeline
from crm.models import (
    Activity,
    Change,
    Contact,
    CustomField,
    Deal,
    DealFile,
    Import,
    ImportRow,
    Notice,
    Stage,
    User,
)
from crm.signals import contact_erased
from tests.crm.api import ApiClient
from tests.crm.conftest import actor, alice, pipeline, stages

__all__ = ["actor", "alice", "pipeline", "stages"]


@pytest.fixture
def maria(actor: Actor) -> Contact:
    fields = {
        "name": "Maria Souza",
        "emails": ["maria@example.com"],
        "phones": ["+5511912345678"],
        "tax_id": "11144477735",
        "job_title": "Buyer",
        "tags": ["vip"],
        "external_ids": {"erp": "77"},
    }
    made = create_contact(actor=actor, fields=fields)
    return update_contact(contact_id=made.pk, actor=actor, fields={"name": "Maria S."})


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def personal_fields(db: None) -> None:
    for key, kind in (("cpf", "cpf"), ("size", "text"), ("colour", "text")):
        CustomField.objects.create(entity="deal", key=key, label=key, type=kind)


@pytest.fixture
def deal(actor: Actor, stages: list[Stage], maria: Contact) -> Deal:
    made = create_deal(actor=actor, stage=stages[0], title="Maria S.", fields={"contact": maria, "value": 50})
    Activity.objects.create(deal=made, kind="note", body="asked for a quote")
    return made


def test_nothing_says_any_more_who_it_was_and_the_deal_stays(
    actor: Actor, alice: User, stages: list[Stage], maria: Contact, deal: Deal
) -> None:
    update_deal(deal_id=deal.pk, actor=actor, stage=stages[1])
    erased = erase_contact(contact_id=maria.pk, actor=actor)
    assert (erased.name, erased.emails, erased.phones, erased.tax_id) == ("Erased contact", [], [], "")
    assert (erased.job_title, erased.company, list(erased.tags.all())) == ("", None, [])
    assert list(erased.external_id_rows.all()) == []
    deal.refresh_from_db()
    assert (deal.title, deal.value, deal.stage) == ("Erased contact", Decimal(50), stages[1])
    assert deal.contact == erased
    kept = str(list(Change.objects.values())) + str(list(Contact.objects.values()))
    kept += str(deal_timeline(deal, reader=alice))
    for trace in ("Maria", "maria@", "912345678", "11144477735"):
        assert trace not in kept
    moved = Change.objects.get(entity="deal", field="stage")
    assert moved.after == {"id": stages[1].pk, "name": stages[1].name}


@pytest.mark.parametrize(
    ("title", "left"),
    [
        ("Ten chairs", "Ten chairs"),
        ("Lead: MARIA S. (fair)", "Lead: Erased contact (fair)"),
        ("Anna Maria S.A.", "Anna Maria S.A."),
    ],
)
def test_the_name_goes_out_of_a_title_and_the_rest_stays(
    actor: Actor, maria: Contact, deal: Deal, title: str, left: str
) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"title": title})
    erase_contact(contact_id=maria.pk, actor=actor)
    assert Deal.objects.get().title == left


@pytest.mark.usefixtures("personal_fields")
def test_what_was_written_and_kept_in_the_deals_goes(
    actor: Actor, alice: User, maria: Contact, deal: Deal, storage: Path
) -> None:
    fields = {"cpf": "11144477735", "size": "for Maria S.", "colour": "blue"}
    update_deal(deal_id=deal.pk, actor=actor, fields={"custom_fields": fields})
    update_deal(deal_id=deal.pk, actor=actor, fields={"custom_fields": {"size": "XL", "colour": "red"}})
    add_note(deal=deal, body=f"@{alice.name}, Maria is ill", actor=Actor.system())
    keep_file(deal=deal, name="Maria's passport.pdf", content=ContentFile(b"%PDF"), actor=actor)
    with TestCase.captureOnCommitCallbacks(execute=True):
        erase_contact(contact_id=maria.pk, actor=actor)
    deal.refresh_from_db()
    assert deal.custom_fields == {"size": "XL", "colour": "red"}
    assert set(deal.activities.values_list("kind", "subject", "body")) == {("note", "", "")}
    assert not DealFile.objects.exists()
    assert [path for path in storage.rglob("*") if path.is_file()] == []
    assert not Notice.objects.exists()
    told = str(list(Change.objects.filter(entity="deal").values_list("before", "after")))
    assert not any(trace in told for trace in ("Maria", "passport", "11144477735"))
    assert "blue" in told


def test_texts_and_imported_rows_elsewhere_lose_what_is_the_persons_alone(
    actor: Actor, alice: User, stages: list[Stage], maria: Contact
) -> None:
    other = create_deal(actor=actor, stage=stages[0], title="Chairs")
    says = Activity.objects.create(
        deal=other, kind="note", body="Ask Maria S., MARIA@example.com or 11912345678"
    )
    Activity.objects.create(deal=other, kind="note", body="Maria S. is a common name")
    imported = Import.objects.create(
        entity="contact", file_name="a.csv", heads=[], row_count=1, created_by=alice
    )
    row = ImportRow.objects.create(imported=imported, number=2, cells=["maria@example.com"], outcome="failed")
    erase_contact(contact_id=maria.pk, actor=actor)
    for touched in (says, row):
        touched.refresh_from_db()
    assert (says.body, row.cells) == ("Ask …, … or …", [])
    assert Activity.objects.filter(body="Maria S. is a common name").exists()


def test_a_deal_that_was_given_to_somebody_else_before_keeps_its_notes_and_names_no_former_contact(
    actor: Actor, maria: Contact, deal: Deal
) -> None:
    rui = create_contact(actor=actor, fields={"name": "Rui"})
    update_deal(deal_id=deal.pk, actor=actor, fields={"title": "Chairs", "contact": rui})
    erase_contact(contact_id=maria.pk, actor=actor)
    assert deal.activities.get().body == "asked for a quote"
    (given,) = Change.objects.filter(entity="deal", field="contact")
    assert (given.before, given.after) == (None, None)


def test_who_listens_sees_the_contact_as_it_was(actor: Actor, maria: Contact, deal: Deal) -> None:
    heard: list[tuple[str, list[int]]] = []

    def listen(contact: Contact, deal_ids: list[int], **_more: Any) -> None:
        heard.append((contact.name, deal_ids))

    contact_erased.connect(listen)
    try:
        erase_contact(contact_id=maria.pk, actor=actor)
    finally:
        contact_erased.disconnect(listen)
    assert heard == [("Maria S.", [deal.pk])]


def test_erasing_twice_is_as_good_as_once(actor: Actor, maria: Contact) -> None:
    erase_contact(contact_id=maria.pk, actor=actor)
    assert erase_contact(contact_id=maria.pk, actor=actor).name == "Erased contact"


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("manager", 403), ("rep", 403)])
def test_only_administrators_erase(maria: Contact, role: str, status: int) -> None:
    user = User.objects.create_user(f"{role}@example.com", name=role, role=role)
    answer = ApiClient(user).post(f"contacts/{maria.pk}/erase/")
    assert answer.status_code == status
    maria.refresh_from_db()
    assert (maria.name == "Erased contact") is (status == 200)
