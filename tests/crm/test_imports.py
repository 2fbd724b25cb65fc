"""Imports at their verbs: what files become, and what is left after undoing them."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from crm import signals
from crm.actors import Actor
from crm.contacts import create_contact, update_contact
from crm.deals import update_deal, win_deal
from crm.erasure import erase_contact
from crm.imports import jobs
from crm.imports.files import read_table
from crm.imports.plans import Choices, Plan
from crm.imports.targets import Entity
from crm.imports.undoing import forecast_undo
from crm.models import Change, Company, Contact, CustomField, Deal, Notice, Stage, User
from tests.crm.sheets import checked, csv_file, ran, undone, work, xlsx_file

pytestmark = pytest.mark.django_db

DEALS = [
    ["Título", "Valor", "Etapa", "Responsável", "Etiquetas", "Previsão", "Contato", "E-mail", "Telefone", "Empresa",
     "CNPJ", "Plano", "Código"],
    ["Padaria", "R$ 1.234,56", "Proposal", "alice@example.com", "vip, novo", "31/12/2026", "Ana Lima",
     "Ana@Exemplo.com.br", "(11) 91234-5678", "Pão Bom", "11.222.333/0001-81", "ouro", "77"],
    ["Clínica", "800", "", "", "", "", "Bruno", "bruno@exemplo.com.br", "", "Pão Bom", "11.222.333/0001-81", "", "78"],
]  # fmt: skip


@pytest.fixture
def plan_field(db: None) -> CustomField:
    return CustomField.objects.create(
        entity="deal", key="plan", label="Plano", type="choice", options=["Ouro", "Prata"]
    )


def test_deals_arrive_with_their_people_as_brazilians_write_them(
    stages: list[Stage], alice: User, plan_field: CustomField
) -> None:
    imported = ran(
        csv_file(*DEALS),
        entity=Entity.DEAL,
        by=alice,
        stage=stages[0].pk,
        match_on=("external_id",),
        system="omie",
    )
    assert imported.checked == {"created": 2, "updated": 0, "skipped": 0, "failed": 0, "problems": []}
    assert imported.run is not None
    assert imported.run.tally == {"created": 2}
    bakery, clinic = Deal.objects.order_by("pk")
    assert (bakery.title, bakery.value, bakery.stage) == ("Padaria", Decimal("1234.56"), stages[1])
    assert (bakery.owner, bakery.expected_close_on) == (alice, date(2026, 12, 31))
    assert set(bakery.tags.values_list("name", flat=True)) == {"vip", "novo"}
    assert bakery.custom_fields == {"plan": "Ouro"}
    assert bakery.external_id_rows.get().value == "77"
    assert bakery.contact is not None
    assert (bakery.contact.emails, bakery.contact.phones) == (["ana@exemplo.com.br"], ["+5511912345678"])
    assert bakery.contact.company == bakery.company == clinic.company == Company.objects.get()
    assert clinic.stage == stages[0]
    made = Change.objects.filter(entity="deal", verb="created")
    assert {row.actor_name for row in made} == {"Alice (import)"}


def test_undoing_removes_what_nobody_has_touched_since(stages: list[Stage], alice: User) -> None:
    rows = [["Negócio", "E-mail", "Empresa"], ["Um", "a@x.com", "A"], ["Dois", "b@x.com", "B"]]
    imported = ran(csv_file(*rows), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create")
    touched = Deal.objects.get(title="Dois")
    update_deal(deal_id=touched.pk, actor=Actor.user(alice), fields={"value": 5})
    numbers = [(each.entity, each.removed, each.stay) for each in forecast_undo(imported)]
    assert numbers == [("deal", 1, 1), ("contact", 1, 1), ("company", 1, 1)]
    assert undone(imported, by=alice).tally == {"removed": 3, "kept": 3}
    assert list(Deal.objects.all()) == [touched]
    assert Contact.objects.get().emails == ["b@x.com"]
    assert Company.objects.get().name == "B"


def test_undoing_brings_former_values_back_unless_they_were_changed_since(alice: User) -> None:
    actor = Actor.user(alice)
    acme = Company.objects.create(name="Acme")
    said = {"name": "Ana", "emails": ["ana@x.com"], "job_title": "Buyer", "company": acme, "tags": ["old"]}
    ana = create_contact(actor=actor, fields=said)
    bia = create_contact(actor=actor, fields={"name": "Bia", "emails": ["bia@x.com"]})
    imported = ran(
        xlsx_file(
            ["Name", "E-mail", "Phone", "Job title", "Tags", "Company"],
            ["Ana Lima", "ana@x.com", "11 91234-5678", "Head of sales", "vip", "Globex"],
            ["Bia Reis", "BIA@x.com", "", "Boss", "", ""],
        ),
        entity=Entity.CONTACT,
        by=alice,
        match_on=("email",),
    )
    ana.refresh_from_db()
    assert (ana.name, ana.job_title, ana.phones) == ("Ana Lima", "Head of sales", ["+5511912345678"])
    assert set(ana.tags.values_list("name", flat=True)) == {"old", "vip"}
    assert str(ana.company) == "Globex"
    update_contact(contact_id=bia.pk, actor=actor, fields={"job_title": "Owner"})
    assert undone(imported, by=alice).tally == {"restored": 1, "kept": 1, "removed": 1}
    ana.refresh_from_db()
    bia.refresh_from_db()
    assert (ana.name, ana.job_title, ana.phones, ana.company) == ("Ana", "Buyer", [], acme)
    assert list(ana.tags.values_list("name", flat=True)) == ["old"]
    assert (bia.name, bia.job_title) == ("Bia", "Owner")
    assert not Company.objects.filter(name="Globex").exists()


def test_undoing_moves_updated_deals_back_and_reopens_them(
    stages: list[Stage], alice: User, deal: Deal
) -> None:
    imported = ran(
        csv_file(["id", "Etapa", "Status", "Valor"], [deal.pk, "Closing", "ganho", "1.000,00"]),
        entity=Entity.DEAL,
        by=alice,
        mode="update",
        match_on=("id",),
    )
    deal.refresh_from_db()
    assert (deal.stage, deal.status, deal.value) == (stages[2], "won", Decimal(1000))
    undone(imported, by=alice)
    deal.refresh_from_db()
    assert (deal.stage, deal.status, deal.value) == (stages[0], "open", Decimal(0))


def test_undoing_closes_a_reopened_deal_on_the_day_it_was_closed(alice: User, deal: Deal) -> None:
    then = datetime(2026, 3, 2, 15, tzinfo=UTC)
    with time_machine.travel(then):
        win_deal(deal_id=deal.pk, actor=Actor.user(alice))
    file = csv_file(["id", "Status"], [deal.pk, "aberto"])
    imported = ran(file, entity=Entity.DEAL, by=alice, mode="update", match_on=("id",))
    deal.refresh_from_db()
    assert deal.status == "open"
    undone(imported, by=alice)
    deal.refresh_from_db()
    assert (deal.status, deal.closed_at and deal.closed_at.date()) == ("won", then.date())


def test_who_began_an_import_is_told_of_its_end(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="pt-br")
    alice.refresh_from_db()
    rows = [["Nome", "E-mail"], ["Ana", "ana@x.com"], ["Bia", "no address"]]
    imported = ran(csv_file(*rows), entity=Entity.CONTACT, by=alice, match_on=("email",))
    done, *checks = Notice.objects.filter(user=alice)
    assert (done.kind, done.url, checks) == ("import", f"/imports/{imported.pk}/", [])
    assert (done.subject, done.body) == (
        "“file.csv” foi importado",
        "1 criados, 0 atualizados, 0 pulados, 1 com erros",
    )
    undone(imported, by=alice)
    told = Notice.objects.exclude(pk=done.pk).get()
    assert told.subject == "A importação de “file.csv” foi desfeita"


def test_a_run_that_dies_goes_on_where_it_was_without_doing_a_row_twice(
    stages: list[Stage], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[f"Deal {n}", f"p{n}@x.com"] for n in range(5)]
    imported = checked(
        csv_file(["Deal", "E-mail"], *rows), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create"
    )
    monkeypatch.setattr(jobs, "CHUNK", 2)
    jobs.start_run(import_id=imported.pk, by=alice)
    assert jobs.work_batch()
    with monkeypatch.context() as dying:
        dying.setattr(jobs, "_count", dies)  # after the rows were written, before their place is kept
        with pytest.raises(KeyboardInterrupt):
            jobs.work_batch()
    assert Deal.objects.count() == 2
    work()
    assert sorted(Deal.objects.values_list("title", flat=True)) == [f"Deal {n}" for n in range(5)]
    assert Contact.objects.count() == 5
    assert imported.run is not None
    assert (imported.run.tally, imported.run.looked_at, imported.run.state) == ({"created": 5}, 5, "done")


def dies(*_whatever: object) -> None:
    raise KeyboardInterrupt


def test_a_row_that_is_refused_while_it_is_written_leaves_nothing_behind(
    stages: list[Stage], alice: User
) -> None:
    Stage.objects.filter(pk=stages[0].pk).update(card_limit=1, limit_is_hard=True)
    rows = [["Negócio", "E-mail"], ["Um", "a@x.com"], ["Dois", "b@x.com"]]
    imported = ran(csv_file(*rows), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create")
    assert imported.run is not None
    assert imported.run.tally == {"created": 1, "failed": 1}
    assert Contact.objects.get().emails == ["a@x.com"]
    failed = imported.rows.get(outcome="failed")
    assert (failed.number, failed.reason) == (3, "The stage “New” is full: it takes 1 deals.")


def test_what_nobody_thought_of_costs_one_row(
    stages: list[Stage], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Plan.read

    def breaks(plan: Plan, cells: list[str]) -> object:
        return 1 / 0 if cells[0] == "Dois" else read(plan, cells)

    rows = [["Negócio"], ["Um"], ["Dois"], ["Três"]]
    imported = checked(csv_file(*rows), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create")
    monkeypatch.setattr(Plan, "read", breaks)
    jobs.start_run(import_id=imported.pk, by=alice)
    work()
    assert list(Deal.objects.order_by("pk").values_list("title", flat=True)) == ["Um", "Três"]
    assert imported.rows.get(outcome="failed").reason == "The row cannot be stored."


@pytest.mark.parametrize(
    ("mode", "outcomes"),
    [
        ("both", ["updated", "created", "updated"]),
        ("create", ["skipped", "created", "skipped"]),
        ("update", ["updated", "skipped", "skipped"]),
    ],
)
def test_what_is_there_is_created_or_updated_as_chosen(alice: User, mode: str, outcomes: list[str]) -> None:
    Company.objects.create(name="Acme", tax_id="11222333000181")
    rows = [["CNPJ", "Empresa"], ["11.222.333/0001-81", "Acme Ltda"], ["19.131.243/0001-97", "Globex"]]
    rows.append(["19131243000197", "Globex S.A."])
    imported = ran(csv_file(*rows), entity=Entity.COMPANY, by=alice, mode=mode, match_on=("tax_id",))
    assert list(imported.rows.values_list("outcome", flat=True)) == outcomes
    assert imported.checked is not None
    counts = {outcome: outcomes.count(outcome) for outcome in ("created", "updated", "skipped", "failed")}
    assert {name: imported.checked[name] for name in counts} == counts


def test_a_check_finds_what_a_run_would_refuse_and_writes_nothing(stages: list[Stage], alice: User) -> None:
    Contact.objects.create(name="Twin")
    Contact.objects.create(name="twin")
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["value"])
    rows = [
        ["Negócio", "Valor", "Previsão", "Etapa", "Responsável", "Contato", "E-mail"],
        ["", "", "", "", "", "", ""],  # an empty line is no row
        ["Um", "1,234.56", "12/31/2026", "", "", "", ""],
        ["Dois", "", "", "Nowhere", "nobody@example.com", "", ""],
        ["Três", "", "", "", "", "Twin", ""],
        ["Quatro", "", "", "Proposal", "", "", ""],
        ["Cinco", "", "", "", "", "", "no address"],
        ["Seis", "10", "", "proposal", "", "", ""],
    ]
    imported = checked(csv_file(*rows), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create")
    assert imported.checked is not None
    assert imported.checked["created"] == 1
    assert [tuple(problem) for problem in imported.checked["problems"]] == [
        (
            3,
            (
                "Valor: “1,234.56” is no number written like 1.234,56."
                " Previsão: “12/31/2026” is no date written like 31/12/2026 (day first)."
            ),
        ),
        (4, "Responsável: Nobody here has the e-mail “nobody@example.com”. There is no stage “Nowhere”."),
        (5, "2 are found by “twin”."),
        (6, "The stage “Proposal” asks for value."),
        (7, "E-mail: Enter a valid email address."),
    ]
    assert not Deal.objects.exists()


@pytest.mark.parametrize("tells", [False, True])
def test_rules_run_for_imported_rows_only_where_that_was_ticked(
    stages: list[Stage], alice: User, tells: bool
) -> None:
    quiet: list[bool] = []

    def hear(actor: Actor, **_fact: object) -> None:
        quiet.append(actor.quiet)

    signals.deal_created.connect(hear)
    try:
        ran(
            csv_file(["Deal"], ["Um"]),
            entity=Entity.DEAL,
            by=alice,
            stage=stages[0].pk,
            mode="create",
            tells=tells,
        )
    finally:
        signals.deal_created.disconnect(hear)
    assert quiet == [not tells]
    assert Change.objects.filter(entity="deal", verb="created").count() == 1


def test_a_mapping_is_remembered_by_its_person_and_headings(
    stages: list[Stage], alice: User, bob: User
) -> None:
    data = csv_file(["Foo", "Bar"], ["Um", "7"])
    table = read_table(io.BytesIO(data))
    first = jobs.take_in(table=table, entity=Entity.DEAL, file_name="a.csv", by=alice)
    choices = Choices(mode="create", stage=stages[0].pk, tells=True)
    jobs.start_check(import_id=first.pk, mapping=["deal.title", ""], choices=choices, by=alice)
    again = jobs.take_in(table=table, entity=Entity.DEAL, file_name="b.csv", by=alice)
    assert again.mapping == ["deal.title", ""]
    assert again.choices == {**choices.as_json(), "tells": False}
    assert jobs.take_in(table=table, entity=Entity.DEAL, file_name="c.csv", by=bob).mapping == []
    assert jobs.take_in(table=table, entity=Entity.CONTACT, file_name="d.csv", by=alice).mapping == []


def test_a_run_begins_once_and_is_undone_once(stages: list[Stage], alice: User) -> None:
    imported = ran(
        csv_file(["Deal"], ["Um"]), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create"
    )
    with pytest.raises(jobs.NotNow):
        jobs.start_run(import_id=imported.pk, by=alice)
    with pytest.raises(jobs.NotNow):
        jobs.start_check(import_id=imported.pk, mapping=["deal.title"], choices=Choices(), by=alice)
    undone(imported, by=alice)
    with pytest.raises(jobs.NotNow):
        jobs.start_undo(import_id=imported.pk, by=alice)
    assert not Deal.objects.exists()


def test_what_a_file_said_of_a_person_goes_with_the_person_and_with_time(alice: User) -> None:
    rows = [["Nome", "E-mail"], ["Ana", "ana@x.com"], ["Bia", "bia@x.com"]]
    imported = ran(csv_file(*rows), entity=Entity.CONTACT, by=alice, match_on=("email",))
    erase_contact(contact_id=Contact.objects.get(name="Ana").pk, actor=Actor.user(alice))
    assert list(imported.rows.values_list("cells", flat=True)) == [[], ["Bia", "bia@x.com"]]
    jobs.cut_rows(now=timezone.now() + timedelta(days=29))
    assert imported.rows.count() == 2
    jobs.cut_rows(now=timezone.now() + timedelta(days=31))
    assert not imported.rows.exists()


@pytest.mark.django_db(transaction=True)
def test_checking_anew_waits_for_no_check_that_is_going_on(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = checked(csv_file(["Nome"], ["Ana"]), entity=Entity.CONTACT, by=alice)
    again = {"import_id": imported.pk, "mapping": imported.mapping, "choices": Choices(), "by": alice}
    jobs.start_check(**again)
    refused: list[str] = []

    def check_anew() -> None:
        try:
            jobs.start_check(**again)
        except jobs.NotNow as refusal:
            refused.append(str(refusal))
        finally:
            connection.close()

    def while_another_asks(*_chunks: Any, **_plan: Any) -> dict[str, int]:
        other = Thread(target=check_anew, daemon=True)
        other.start()
        other.join(timeout=20)
        assert not other.is_alive()
        return {"created": 1}

    monkeypatch.setattr(jobs, "check_rows", while_another_asks)
    work()
    imported.refresh_from_db()
    assert refused == ["The rows are being checked just now. Try again in a moment."]
    assert imported.checked == {"created": 1}
