"""Contacts and companies on their pages: made and edited by hand, merged, dismissed, erased, and by whom."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.actors import Actor
from crm.contacts import create_company, create_contact, update_contact
from crm.deals import create_deal
from crm.duplicates import compare_changed
from crm.merging import merge_contacts
from crm.models import Activity, Call, Change, Company, Contact, CustomField, Stage, Tag, User
from tests.crm.api import ApiClient, errors
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def manager(db: None) -> User:
    return User.objects.create_user("m@example.com", name="Mia", role=User.Role.MANAGER)


@pytest.fixture
def maria(actor: Actor) -> Contact:
    fields = {"name": "Maria Souza", "emails": ["maria@example.com"], "phones": ["+5511912345678"]}
    return create_contact(actor=actor, fields=fields)


@pytest.fixture
def twin(actor: Actor) -> Contact:
    fields = {"name": "Maria S.", "emails": ["maria@example.com"], "job_title": "Buyer"}
    return create_contact(actor=actor, fields=fields)


def save(client: Client, contact: Contact, name: str, value: str, was: str) -> Any:
    return client.post(f"/contacts/{contact.pk}/fields/{name}/", {"value": value, "was": was})


# ---- Editing in place ----


def test_a_field_is_saved_alone_and_leaves_history(as_alice: Client, maria: Contact) -> None:
    answer = save(as_alice, maria, "phones", "(11) 91234-5678\r\n(11) 4004-1234\r\n", "+5511912345678")
    assert answer.status_code == 200
    assert answer["HX-Trigger"] == '{"party-changed": {}}'
    maria.refresh_from_db()
    assert maria.phones == ["+5511912345678", "+551140041234"]
    page = as_alice.get(f"/contacts/{maria.pk}/").content.decode()
    assert "Phones: +5511912345678 → +5511912345678, +551140041234" in texts(page, "text")


def test_company_tags_and_custom_fields_are_edited_in_place_too(as_alice: Client, maria: Contact) -> None:
    CustomField.objects.create(entity="contact", key="size", label="Size", type="number")
    for name, value in (("company", "Padaria"), ("tags", "vip, fair"), ("custom_fields.size", "12")):
        assert save(as_alice, maria, name, value, "").status_code == 200
    maria.refresh_from_db()
    assert (str(maria.company), maria.custom_fields) == ("Padaria", {"size": 12})
    assert sorted(tag.name for tag in maria.tags.all()) == ["fair", "vip"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("emails", "maria@example.com\nnobody", "Enter a valid email address."),
        ("phones", "12", "“12” is no telephone number."),
        ("name", "", "This field is required."),
        ("tax_id", "123.456.789-00", "is no valid CPF or CNPJ"),
    ],
)
def test_what_cannot_be_is_said_beside_the_field(
    as_alice: Client, maria: Contact, name: str, value: str, said: str
) -> None:
    was = {"emails": "maria@example.com", "phones": "+5511912345678", "name": "Maria Souza"}.get(name, "")
    before = Contact.objects.values().get()
    answer = save(as_alice, maria, name, value, was)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Contact.objects.values().get() == before


def test_who_was_faster_is_named(as_alice: Client, maria: Contact, actor: Actor) -> None:
    update_contact(contact_id=maria.pk, actor=actor, fields={"job_title": "Buyer"})
    answer = save(as_alice, maria, "job_title", "Chef", "")
    assert answer.status_code == 409
    assert "Alice changed this field now." in answer.content.decode()
    maria.refresh_from_db()
    assert maria.job_title == "Buyer"
    assert as_alice.get(f"/contacts/{maria.pk}/fields/nothing/").status_code == 404


# ---- Made by hand ----


def test_a_contact_made_by_hand_has_a_history(as_alice: Client) -> None:
    values = {"name": "Rui", "emails": "rui@example.com\nR@Example.com", "phones": "", "company": "Padaria"}
    answer = as_alice.post("/contacts/new/", values)
    rui = Contact.objects.get()
    assert answer["HX-Redirect"] == f"/contacts/{rui.pk}/"
    assert (rui.emails, str(rui.company)) == (["rui@example.com", "r@example.com"], "Padaria")
    assert Change.objects.get(entity="contact").actor_name == "Alice"


def test_the_form_for_a_new_one_opened_as_a_page_leads_to_the_list_with_it(as_alice: Client) -> None:
    assert as_alice.get("/contacts/new/")["Location"] == "/contacts/#new"
    assert as_alice.get("/companies/new/")["Location"] == "/companies/#new"
    dialog = as_alice.get("/contacts/new/", headers={"HX-Request": "true"})
    assert (dialog.status_code, "ask-title" in dialog.content.decode()) == (200, True)


def test_a_mistake_is_told_and_nothing_made(as_alice: Client) -> None:
    answer = as_alice.post("/contacts/new/", {"name": "", "emails": "rui", "company": "Padaria"})
    assert answer.status_code == 422
    answer = as_alice.post("/contacts/new/", {"name": "Rui", "emails": "rui", "company": "Padaria"})
    assert (answer.status_code, "Enter a valid email address." in answer.content.decode()) == (422, True)
    assert not Contact.objects.exists()
    assert not Company.objects.exists()


def test_who_seems_to_be_there_already_is_made_only_on_being_asked_again(
    as_alice: Client, maria: Contact
) -> None:
    values = {"name": "M.", "emails": "maria@example.com"}
    answer = as_alice.post("/contacts/new/", values)
    assert (answer.status_code, "Maria Souza" in answer.content.decode()) == (409, True)
    assert Contact.objects.get() == maria
    assert "HX-Redirect" in as_alice.post("/contacts/new/", values | {"anyway": "1"})


# ---- The page ----


def test_the_page_shows_what_one_may_see_and_the_way_to_the_logs_to_administrators(
    maria: Contact, actor: Actor, stages: list[Stage], alice: User, bob: User, charlie: User
) -> None:
    deal = create_deal(actor=actor, stage=stages[0], title="Oven", fields={"contact": maria, "owner": bob})
    Call.objects.create(deal=deal, contact=maria, direction="in", from_number="+5511912345678")
    pages = [
        browser_of(user).get(f"/contacts/{maria.pk}/").content.decode() for user in (alice, bob, charlie)
    ]
    assert ["Oven" in page for page in pages] == [True, True, False]
    assert ['id="calls-title"' in page for page in pages] == [True, True, False]
    assert ["Merge with…" in page for page in pages] == [True, False, False]


def test_a_link_to_one_that_was_merged_away_leads_to_the_one_that_stayed(
    as_alice: Client, maria: Contact, twin: Contact, actor: Actor
) -> None:
    merge_contacts(kept_id=maria.pk, other_id=twin.pk, actor=actor)
    assert as_alice.get(f"/contacts/{twin.pk}/")["Location"] == f"/contacts/{maria.pk}/"
    assert as_alice.get("/contacts/987654/").status_code == 404


# ---- The lists ----


def names(client: Client, address: str) -> list[str]:
    return texts(client.get(address).content.decode(), "row-link")


def test_the_list_is_ordered_narrowed_and_shows_the_columns_one_chose(
    as_alice: Client, maria: Contact, twin: Contact, actor: Actor
) -> None:
    CustomField.objects.create(entity="contact", key="size", label="Size")
    update_contact(contact_id=twin.pk, actor=actor, fields={"tags": ["vip"], "custom_fields": {"size": "XL"}})
    assert names(as_alice, "/contacts/?sort=-name") == ["Maria Souza", "Maria S."]
    assert names(as_alice, "/contacts/?tag=vip") == ["Maria S."]
    assert names(as_alice, "/contacts/?without=phone") == ["Maria S."]
    assert names(as_alice, "/contacts/?without=deals&sort=created_at") == ["Maria Souza", "Maria S."]
    assert names(as_alice, "/contacts/?without=nonsense&tag=none&sort=emails") == ["Maria S.", "Maria Souza"]
    assert "XL" in as_alice.get("/contacts/?columns=name,cf.size").content.decode()
    assert "XL" in as_alice.get("/contacts/").content.decode()
    assert "Buyer" not in as_alice.get("/contacts/").content.decode()


def test_companies_that_lack_something_are_found(as_alice: Client, actor: Actor) -> None:
    full = create_company(actor=actor, fields={"name": "Full", "tax_id": "11222333000181"})
    create_company(actor=actor, fields={"name": "Bare"})
    create_contact(actor=actor, fields={"name": "Rui", "company": full})
    for lack in ("tax_id", "contacts"):
        page = as_alice.get(f"/companies/?without={lack}").content.decode()
        assert texts(page, "row-link who-line") == ["B Bare"]


# ---- Duplicates and merging ----


def test_duplicates_are_listed_and_shown_on_their_pages(
    as_alice: Client, maria: Contact, twin: Contact
) -> None:
    assert "2 are still to be compared" in as_alice.get("/contacts/duplicates/").content.decode()
    compare_changed(now=timezone.now(), for_seconds=60)
    page = as_alice.get("/contacts/duplicates/").content.decode()
    assert f"/contacts/{maria.pk}/merge/{twin.pk}/" in page
    assert texts(page, "tag") == ["Same e-mail"]
    assert "Possibly the same" in as_alice.get(f"/contacts/{twin.pk}/").content.decode()
    as_alice.post(f"/contacts/{twin.pk}/differs/{maria.pk}/")
    assert "No duplicates" in as_alice.get("/contacts/duplicates/").content.decode()
    assert "Possibly the same" not in as_alice.get(f"/contacts/{twin.pk}/").content.decode()


def test_the_preview_shows_what_is_kept_and_what_moves(
    as_alice: Client, maria: Contact, twin: Contact, actor: Actor, stages: list[Stage]
) -> None:
    create_deal(actor=actor, stage=stages[0], title="Oven", fields={"contact": twin})
    answer = as_alice.get(f"/contacts/{maria.pk}/merge/{twin.pk}/")
    lines = {line.name: (line.kept, line.other, line.takes_others) for line in answer.context["lines"]}
    assert lines == {"name": ("Maria Souza", "Maria S.", False), "job_title": ("—", "Buyer", True)}
    assert (answer.context["moving"].deals, Contact.objects.count()) == (1, 2)


def preview(client: Client, kept: Contact, other: Contact) -> dict[str, Any]:
    context = client.get(f"/contacts/{kept.pk}/merge/{other.pk}/").context
    return {"seen": context["seen"]}


def test_a_merge_keeps_what_was_chosen(as_alice: Client, maria: Contact, twin: Contact) -> None:
    form = preview(as_alice, maria, twin) | {"keep-name": "other", "keep-job_title": ""}
    answer = as_alice.post(f"/contacts/{maria.pk}/merge/{twin.pk}/", form)
    assert answer["Location"] == f"/contacts/{maria.pk}/"
    kept = Contact.objects.get()
    assert (kept.pk, kept.name, kept.job_title) == (maria.pk, "Maria S.", "")
    page = as_alice.get(f"/contacts/{maria.pk}/").content.decode()
    assert "“Maria S.” was merged into this one" in page


def test_a_merge_of_what_was_changed_since_the_preview_is_shown_anew(
    as_alice: Client, maria: Contact, twin: Contact, actor: Actor
) -> None:
    form = preview(as_alice, maria, twin)
    update_contact(contact_id=twin.pk, actor=actor, fields={"job_title": "Chef"})
    answer = as_alice.post(f"/contacts/{maria.pk}/merge/{twin.pk}/", form)
    assert (answer.status_code, "was changed in the meantime" in answer.content.decode()) == (409, True)
    assert Contact.objects.count() == 2


def test_whom_to_merge_with_is_searched(as_alice: Client, maria: Contact, actor: Actor) -> None:
    other = create_contact(actor=actor, fields={"name": "Somebody Else"})
    page = as_alice.get(f"/contacts/{maria.pk}/merge/?q=else").content.decode()
    assert f"/contacts/{maria.pk}/merge/{other.pk}/" in page


@pytest.mark.parametrize("path", ["merge/", "merge/{other}/", "differs/{other}/"])
def test_reps_merge_nothing_and_managers_do(
    maria: Contact, twin: Contact, bob: User, manager: User, path: str
) -> None:
    address = f"/contacts/{maria.pk}/" + path.format(other=twin.pk)
    assert browser_of(bob).post(address).status_code in (403, 405)
    assert Contact.objects.count() == 2
    ask: Callable[[Client], Any] = lambda client: (  # noqa: E731  # one of the two verbs
        client.post(address) if "differs" in path else client.get(address)
    )
    assert ask(browser_of(bob)).status_code == 403
    assert ask(browser_of(manager)).status_code in (200, 302)


def test_companies_are_merged_on_the_same_pages(as_alice: Client, actor: Actor) -> None:
    one = create_company(actor=actor, fields={"name": "Padaria"})
    other = create_company(actor=actor, fields={"name": "Padaria Ltda", "domain": "padaria.example"})
    seen = as_alice.get(f"/companies/{one.pk}/merge/{other.pk}/").context["seen"]
    as_alice.post(f"/companies/{one.pk}/merge/{other.pk}/", {"seen": seen, "keep-domain": "other"})
    assert [(row.name, row.domain) for row in Company.objects.all()] == [("Padaria", "padaria.example")]


# ---- Erasing ----


def test_before_a_person_is_erased_the_page_counts_what_it_touches(
    as_alice: Client, maria: Contact, actor: Actor, stages: list[Stage]
) -> None:
    deal = create_deal(actor=actor, stage=stages[0], title="Oven", fields={"contact": maria})
    Call.objects.create(deal=deal, from_number="+5511912345678", recording_url="https://pbx.example/1")
    Activity.objects.create(deal=deal, kind="note", body="asked")
    Activity.objects.create(contact=maria, kind="task", subject="call back")
    touched = as_alice.get(f"/contacts/{maria.pk}/erase/").context["touched"]
    assert {part.text: part.count for part in touched} == {
        "Deals": 1,
        "Added fields of the deals": 0,
        "Files of the deals": 0,
        "Notes and activities of the deals": 1,
        "Activities with the person alone": 1,
        "Texts elsewhere with an address or a number": 0,
        "Calls": 1,
        "Recordings": 1,
        "Notices to users": 0,
        "Rows of imported files": 0,
        "Ids in other systems": 0,
        "Entries of the history": 1,
        "Deliveries that wait": 0,
        "Bodies of deliveries": 0,
        "Stored inbound requests": 0,
    }


def test_a_person_is_erased_once_the_name_is_typed(as_alice: Client, maria: Contact) -> None:
    address = f"/contacts/{maria.pk}/erase/"
    assert as_alice.post(address, {"name": "Maria"}).status_code == 422
    maria.refresh_from_db()
    assert maria.erased_at is None
    assert as_alice.post(address, {"name": " maria  souza"})["Location"] == f"/contacts/{maria.pk}/"
    maria.refresh_from_db()
    assert (maria.name, maria.emails, maria.erased_at is None) == ("Erased contact", [], False)


def test_only_administrators_erase_on_the_page(maria: Contact, manager: User, bob: User) -> None:
    for user in (manager, bob):
        for ask in (browser_of(user).get, browser_of(user).post):
            assert ask(f"/contacts/{maria.pk}/erase/", {"name": "Maria Souza"}).status_code == 403
    maria.refresh_from_db()
    assert maria.erased_at is None
    assert not Tag.objects.exists()


# ---- The API and Django's admin ----


def test_the_api_merges_and_names_duplicates(
    api: ApiClient, maria: Contact, twin: Contact, manager: User, bob: User
) -> None:
    found = api.get(f"contacts/{maria.pk}/duplicates/").json()
    assert found == [{"id": twin.pk, "name": "Maria S.", "signs": ["email"]}]
    address = f"contacts/{maria.pk}/merge/"
    assert ApiClient(bob).post(address, other=twin.pk).status_code == 403
    assert api.post(address, other=maria.pk).status_code == 422
    assert errors(api.post(address, other=987654)) == [("invalid", "other")]
    answer = ApiClient(manager).post(address, other=twin.pk, take=["job_title"])
    assert (answer.status_code, answer.json()["job_title"]) == (200, "Buyer")
    assert api.get(f"contacts/{twin.pk}/").status_code == 404


def test_a_contact_written_in_the_admin_leaves_history(as_alice: Client, maria: Contact) -> None:
    form = {"name": "Maria Silva", "emails": "maria@example.com", "phones": "(11) 91234-5678", "tax_id": ""}
    form |= {"job_title": "Buyer", "company": "", "custom_fields": "{}"}
    assert as_alice.post(f"/admin/crm/contact/{maria.pk}/change/", form).status_code == 302
    changes = Change.objects.filter(entity="contact", object_id=maria.pk, verb="changed")
    assert sorted(changes.values_list("field", "actor_name")) == [("job_title", "Alice"), ("name", "Alice")]
    assert as_alice.post("/admin/crm/contact/add/", form | {"name": "Rui", "phones": "12"}).status_code == 302
    assert not Contact.objects.filter(name="Rui").exists()
    assert as_alice.post("/admin/crm/contact/add/", form | {"name": "Rui"}).status_code == 302
    rui = Contact.objects.get(name="Rui")
    assert rui.phones == ["+5511912345678"]
    as_alice.post(f"/admin/crm/contact/{rui.pk}/delete/", {"post": "yes"})
    told = Change.objects.filter(entity="contact", object_id=rui.pk).order_by("id")
    assert list(told.values_list("verb", flat=True)) == ["created", "deleted"]
