"""Two contacts or companies become one: what is kept, what moves, what is remembered, and two who do it at once."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from crm import merging
from crm.actors import Actor
from crm.contacts import ChangedMeanwhile, create_company, create_contact, update_contact
from crm.deals import create_deal, lock_present, update_deal
from crm.erasure import erase_contact
from crm.merging import NotMergeable, choices, merge_companies, merge_contacts, merged_ids, survivor_of
from crm.models import (
    Activity,
    Call,
    Change,
    Company,
    Contact,
    CustomField,
    Deal,
    Import,
    ImportRow,
    Stage,
    Subscription,
)
from crm.refusals import InvalidFields
from tests.processes import eventually, waiting_for_locks


@pytest.fixture
def fields(db: None) -> None:
    for entity in ("contact", "company"):
        CustomField.objects.create(entity=entity, key="size", label="Size")


@pytest.fixture
def maria(actor: Actor, fields: None) -> Contact:
    values = {
        "name": "Maria Souza",
        "emails": ["maria@example.com"],
        "tags": ["vip"],
        "custom_fields": {"size": "M"},
        "external_ids": {"erp": "1", "shop": "s"},
    }
    return create_contact(actor=actor, fields=values)


@pytest.fixture
def twin(actor: Actor, fields: None) -> Contact:
    employer = create_company(actor=actor, fields={"name": "Padaria do Sol"})
    values = {
        "name": "Maria S.",
        "emails": ["maria@example.com", "ms@example.com"],
        "phones": ["+5511912345678"],
        "tax_id": "11144477735",
        "company": employer,
        "job_title": "Buyer",
        "tags": ["vip", "fair"],
        "custom_fields": {"size": "L"},
        "external_ids": {"erp": "2", "mail": "m"},
    }
    return create_contact(actor=actor, fields=values)


def ids_of(row: Contact | Company) -> set[tuple[str, str, bool]]:
    return set(row.external_id_rows.values_list("system", "value", "former"))


def test_the_kept_one_takes_over_what_it_has_not(actor: Actor, maria: Contact, twin: Contact) -> None:
    kept = merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    assert kept == Contact.objects.get()
    kept.refresh_from_db()
    assert (kept.name, kept.job_title, kept.tax_id) == ("Maria Souza", "Buyer", "11144477735")
    assert str(kept.company) == "Padaria do Sol"
    assert kept.emails == ["maria@example.com", "ms@example.com"]
    assert kept.phones == ["+5511912345678"]
    assert kept.custom_fields == {"size": "M"}
    assert sorted(tag.name for tag in kept.tags.all()) == ["fair", "vip"]
    assert ids_of(kept) == {
        ("erp", "1", False),
        ("erp", "2", True),
        ("shop", "s", False),
        ("mail", "m", False),
    }


def test_of_each_field_the_value_that_was_chosen_is_kept(actor: Actor, maria: Contact, twin: Contact) -> None:
    offered = {choice.field: (choice.kept, choice.other) for choice in choices(maria, twin)}
    assert offered == {
        "name": ("Maria Souza", "Maria S."),
        "job_title": ("", "Buyer"),
        "company": (None, twin.company),
        "tax_id": ("", "11144477735"),
        "custom_fields.size": ("M", "L"),
        "external_ids.erp": ("1", "2"),
    }
    take = ["name", "custom_fields.size", "external_ids.erp"]
    kept = merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor, take=take)
    assert (kept.name, kept.job_title, kept.company, kept.tax_id) == ("Maria S.", "", None, "")
    assert kept.custom_fields == {"size": "L"}
    assert {("erp", "2", False), ("erp", "1", True)} <= ids_of(kept)


def test_deals_and_calls_move_and_the_deals_history_says_so(
    actor: Actor, stages: list[Stage], maria: Contact, twin: Contact
) -> None:
    deal = create_deal(actor=actor, stage=stages[0], title="Oven", fields={"contact": twin})
    call = Call.objects.create(deal=deal, contact=twin)
    task = Activity.objects.create(contact=twin, subject="call back")
    merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    deal.refresh_from_db()
    call.refresh_from_db()
    task.refresh_from_db()
    assert (deal.contact, deal.version, call.contact, task.contact) == (maria, 2, maria, maria)
    change = Change.objects.get(entity="deal", field="contact")
    assert change.before is not None
    assert change.after is not None
    assert (change.before["id"], change.after["id"]) == (twin.pk, maria.pk)


def test_the_history_says_who_merged_what_and_leads_to_the_one_that_stayed(
    actor: Actor, maria: Contact, twin: Contact
) -> None:
    third = create_contact(actor=actor, fields={"name": "M. Souza"})
    merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    told = Change.objects.get(entity="contact", object_id=maria.pk, verb="merged")
    assert told.before is not None
    assert (told.actor_name, told.before["name"], told.before["external_ids"]["erp"]) == (
        "Alice",
        "Maria S.",
        "2",
    )
    merge_contacts(kept_id=third.pk, other_id=maria.pk, actor=actor)
    assert survivor_of(Contact, twin.pk) == survivor_of(Contact, maria.pk) == third
    assert survivor_of(Contact, third.pk) is None
    assert merged_ids(Contact, third.pk) == [maria.pk, twin.pk]


def test_companies_take_over_people_deals_and_subscriptions(
    actor: Actor, stages: list[Stage], twin: Contact
) -> None:
    assert twin.company is not None
    kept = create_company(actor=actor, fields={"name": "Sol Ltda", "external_ids": {"erp": "1"}})
    deal = create_deal(actor=actor, stage=stages[0], title="Oven", fields={"company": twin.company})
    plan = Subscription.objects.create(plan="Gold", company=twin.company)
    merge_companies(kept_id=kept.pk, other_id=twin.company.pk, actor=actor, take=["name"])
    for row in (deal, plan, twin):
        row.refresh_from_db()
        assert row.company == kept
    assert Company.objects.get().name == "Padaria do Sol"
    assert Change.objects.filter(entity="contact", object_id=twin.pk, field="company").count() == 1


def refused(error: type[Exception], merge: Callable[[], object]) -> None:
    before = list(Contact.objects.values()), Change.objects.count()
    with pytest.raises(error):
        merge()
    assert (list(Contact.objects.values()), Change.objects.count()) == before


def test_what_cannot_be_is_refused_and_nothing_moves(actor: Actor, maria: Contact, twin: Contact) -> None:
    def merge(kept_id: int, other_id: int, **options: Any) -> Callable[[], object]:
        return lambda: merge_contacts(kept_id=kept_id, other_id=other_id, actor=actor, **options)

    refused(NotMergeable, merge(maria.pk, maria.pk))
    refused(Contact.DoesNotExist, merge(maria.pk, 0))
    refused(NotMergeable, merge(maria.pk, twin.pk, take=["nickname"]))
    seen = {maria.pk: maria.updated_at, twin.pk: twin.updated_at}
    update_contact(contact_id=twin.pk, actor=actor, fields={"name": "Maria Silva"})
    refused(ChangedMeanwhile, merge(maria.pk, twin.pk, seen=seen))
    erase_contact(contact_id=twin.pk, actor=actor)
    refused(NotMergeable, merge(maria.pk, twin.pk))


def test_erasing_the_one_that_stayed_takes_what_was_known_of_the_other(
    actor: Actor, stages: list[Stage], maria: Contact, twin: Contact
) -> None:
    create_deal(actor=actor, stage=stages[0], title="Oven", fields={"contact": twin})
    merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    erase_contact(contact_id=maria.pk, actor=actor)
    kept = str(list(Change.objects.values())) + str(list(Contact.objects.values()))
    for trace in ("Maria", "maria@", "ms@", "912345678", "11144477735"):
        assert trace not in kept
    assert survivor_of(Contact, twin.pk) == maria


def test_an_id_of_before_the_merge_is_no_name_that_the_kept_one_goes_by(
    actor: Actor, maria: Contact, twin: Contact
) -> None:
    kept = merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    update_contact(contact_id=kept.pk, actor=actor, fields={"external_ids": {"erp": "3", "shop": None}})
    assert ids_of(kept) == {("erp", "3", False), ("erp", "2", True), ("mail", "m", False)}


def at_once(*works: Callable[[], object]) -> list[BaseException]:
    """Run works in threads of their own, each with a connection; returns what they raised."""
    raised: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # looked at by the test
            raised.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
def test_two_merges_of_the_same_pair_at_once_make_one(actor: Actor, maria: Contact, twin: Contact) -> None:
    raised = at_once(
        lambda: merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor),
        lambda: merge_contacts(kept_id=twin.pk, other_id=maria.pk, actor=actor),
    )
    assert [type(error) for error in raised] == [Contact.DoesNotExist]
    assert Contact.objects.get().emails[0] == "maria@example.com"
    assert Change.objects.filter(verb="merged").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_deal_that_comes_in_between_the_locks_moves_too(
    actor: Actor, stages: list[Stage], maria: Contact, twin: Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = create_deal(actor=actor, stage=stages[0], title="Oven")
    lock = lock_present
    late = [deal.pk]

    def lock_and_be_overtaken(deal_ids: set[int]) -> list[Deal]:
        locked = lock(deal_ids)
        if late:
            give = late.pop()
            assert at_once(lambda: update_deal(deal_id=give, actor=actor, fields={"contact": twin})) == []
        return locked

    monkeypatch.setattr(merging, "lock_present", lock_and_be_overtaken)
    merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    deal.refresh_from_db()
    assert deal.contact == maria


@pytest.mark.django_db(transaction=True)
def test_a_contact_that_changes_employer_during_their_merge_makes_nobody_fail(actor: Actor) -> None:
    kept, other = (create_company(actor=actor, fields={"name": name}) for name in ("Sol", "Sol Ltda"))
    maria = create_contact(actor=actor, fields={"name": "Maria", "company": other})

    def change_employer() -> None:
        with transaction.atomic():
            update_contact(contact_id=maria.pk, actor=actor, fields={"company": kept})
            edited.set()
            eventually(waiting_for_locks)

    def merge() -> None:
        edited.wait()
        merge_companies(kept_id=kept.pk, other_id=other.pk, actor=actor)

    edited = Event()
    assert at_once(change_employer, merge) == []
    maria.refresh_from_db()
    assert (maria.company, list(Company.objects.all())) == (kept, [kept])


@pytest.mark.usefixtures("maria", "twin")
def test_a_merge_that_fails_half_way_leaves_both(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Contact.objects.order_by("pk")

    def refuse(*_row: object, **_options: object) -> None:
        raise InvalidFields({"name": ["no"]})

    monkeypatch.setattr(merging, "apply_fields", refuse)
    with pytest.raises(InvalidFields), transaction.atomic():
        merge_contacts(kept_id=one.pk, other_id=other.pk, actor=actor)
    assert Contact.objects.count() == 2
    assert not Change.objects.filter(verb="merged").exists()


def test_who_was_merged_is_erased_from_imported_rows_too(maria: Contact, twin: Contact, actor: Actor) -> None:
    imported = Import.objects.create(entity="contact", file_name="f.csv", heads=["Name"], row_count=1)
    row = ImportRow.objects.create(imported=imported, number=2, cells=["Maria S."], contact=twin)
    merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    erase_contact(contact_id=maria.pk, actor=actor)
    row.refresh_from_db()
    assert row.cells == []
