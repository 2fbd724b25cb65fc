"""The pages of imports: who may, what is asked for, and what a person reads."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from crm.imports import jobs
from crm.imports.targets import Entity
from crm.models import Contact, Deal, Import, Stage, User
from tests.crm.pages import browser_of
from tests.crm.sheets import checked, csv_file, ran, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def web(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def manager(db: None) -> User:
    return User.objects.create_user("mia@example.com", name="Mia", role=User.Role.MANAGER)


def upload(web: Client, data: bytes, entity: str = "deal") -> Any:
    file = SimpleUploadedFile("negócios.csv", data)
    return web.post("/imports/new/", {"entity": entity, "file": file})


def how(stages: list[Stage], **more: Any) -> dict[str, Any]:
    """A filled-in form for a file of one column, the title."""
    plain = {
        "column_0": "deal.title",
        "mode": "create",
        "decimals": "comma",
        "dates": "dmy",
        "system": "omie",
    }
    return {**plain, "stage": stages[0].pk, **more}


def test_a_file_is_uploaded_mapped_checked_run_and_undone(web: Client, stages: list[Stage]) -> None:
    answer = upload(web, csv_file(["Negócio"], ["Um"], ["Dois"]))
    imported = Import.objects.get()
    assert answer["Location"] == f"/imports/{imported.pk}/mapping/"
    assert 'value="deal.title" selected' in web.get(answer["Location"]).content.decode()
    assert web.post(answer["Location"], how(stages))["Location"] == f"/imports/{imported.pk}/"
    page = web.get(f"/imports/{imported.pk}/").content.decode()
    assert "Being checked" in page
    assert 'hx-trigger="every 1s"' in page
    work()
    page = web.get(f"/imports/{imported.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "<b>2</b> created" in page
    assert "hx-trigger" not in page
    web.post(f"/imports/{imported.pk}/run/")
    assert "Being imported" in web.get(f"/imports/{imported.pk}/").content.decode()
    work()
    assert "Undo this import" in web.get(f"/imports/{imported.pk}/").content.decode()
    assert web.get(f"/imports/{imported.pk}/mapping/")["Location"] == f"/imports/{imported.pk}/"
    assert '<td class="end num">2</td>' in web.get(f"/imports/{imported.pk}/undo/").content.decode()
    web.post(f"/imports/{imported.pk}/undo/")
    work()
    assert (
        "2 removed, 0 with their former values again" in web.get(f"/imports/{imported.pk}/").content.decode()
    )
    assert "Undone" in web.get("/imports/").content.decode()
    assert not Deal.objects.exists()


def test_what_was_not_imported_comes_back_as_a_file_without_formulas(
    web: Client, stages: list[Stage], alice: User
) -> None:
    rows = [["Negócio", "Valor"], ["Um", "1,00"], ["=cmd()", "x"], ["Três", "1.5"]]
    imported = ran(csv_file(*rows), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create")
    answer = web.get(f"/imports/{imported.pk}/problems/")
    assert answer["Content-Disposition"] == f'attachment; filename="import-{imported.pk}-problems.csv"'
    found = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert found == [
        ["Negócio", "Valor", "Reason"],
        ["'=cmd()", "x", "Valor: “x” is no number written like 1.234,56."],
        ["Três", "1.5", "Valor: “1.5” is no number written like 1.234,56."],
    ]
    assert "“x” is no number" in web.get(f"/imports/{imported.pk}/").content.decode()


def test_only_those_who_see_all_deals_import(
    manager: User, bob: User, stages: list[Stage], alice: User
) -> None:
    imported = checked(
        csv_file(["Deal"], ["Um"]), entity=Entity.DEAL, by=alice, stage=stages[0].pk, mode="create"
    )
    pages = ["/imports/", "/imports/new/"]
    pages += [f"/imports/{imported.pk}/{end}" for end in ("", "mapping/", "problems/")]
    posts = [f"/imports/{imported.pk}/{end}/" for end in ("mapping", "run", "cancel", "undo")]
    for path in pages:
        assert browser_of(bob).get(path).status_code == 403
        assert browser_of(manager).get(path).status_code == 200
        assert Client().get(path).status_code == 302
    for path in (*posts, "/imports/new/"):
        assert browser_of(bob).post(path).status_code == 403
    assert "/imports/new/" not in browser_of(bob).get("/contacts/").content.decode()
    assert "/imports/new/?of=contact" in browser_of(manager).get("/contacts/").content.decode()
    assert browser_of(manager).get("/imports/999/").status_code == 404
    assert not imported.jobs.filter(kind="run").exists()


def test_only_administrators_let_automations_run(manager: User, stages: list[Stage], alice: User) -> None:
    upload(browser_of(manager), csv_file(["Deal"], ["Um"]))
    imported = Import.objects.get()
    assert "tells" not in browser_of(manager).get(f"/imports/{imported.pk}/mapping/").content.decode()
    browser_of(manager).post(f"/imports/{imported.pk}/mapping/", how(stages, tells="on"))
    imported.refresh_from_db()
    assert imported.choices["tells"] is False
    browser_of(alice).post(f"/imports/{imported.pk}/mapping/", how(stages, tells="on"))
    work()
    browser_of(manager).post(f"/imports/{imported.pk}/run/")
    assert imported.run is None
    browser_of(alice).post(f"/imports/{imported.pk}/run/")
    assert imported.run is not None


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"column_0": ""}, "No column becomes anything yet."),
        ({"mode": "both"}, "Choose at least one, or create new ones only."),
        ({"mode": "both", "match_on": "external_id"}, "No column holds “External id”"),
        ({"stage": ""}, "No column names the stage, so choose one."),
        ({"column_1": "deal.title"}, "Another column becomes this already."),
        ({"column_1": "deal.nothing"}, "Select a valid choice."),
        ({"system": "no slug"}, "Enter a valid “slug”"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(
    web: Client, stages: list[Stage], chosen: dict[str, str], problem: str
) -> None:
    upload(web, csv_file(["Deal", "Other"], ["Um", "x"]))
    imported = Import.objects.get()
    answer = web.post(f"/imports/{imported.pk}/mapping/", how(stages, **chosen))
    assert answer.status_code == 422
    assert problem in answer.content.decode()
    imported.refresh_from_db()
    assert (imported.mapping, imported.jobs.count()) == ([], 0)


def test_a_file_that_cannot_be_read_is_refused(web: Client) -> None:
    answer = upload(web, b"\x00\x01")
    assert answer.status_code == 422
    assert "neither a CSV nor an XLSX file" in answer.content.decode()
    assert upload(web, csv_file(["A"], ["1"]), entity="nonsense").status_code == 422
    assert web.post("/imports/new/", {"entity": "deal"}).status_code == 422
    assert not Import.objects.exists()


def test_a_stopped_run_keeps_what_it_has_done_and_can_be_undone(
    web: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [["E-mail"], ["a@x.com"], ["b@x.com"]]
    imported = checked(csv_file(*rows), entity=Entity.CONTACT, by=alice, match_on=("email",))
    monkeypatch.setattr(jobs, "CHUNK", 1)
    web.post(f"/imports/{imported.pk}/run/")
    jobs.work_batch()
    web.post(f"/imports/{imported.pk}/cancel/")
    work()
    assert Contact.objects.get().name == "a@x.com"
    assert "Stopped" in web.get(f"/imports/{imported.pk}/").content.decode()
    web.post(f"/imports/{imported.pk}/undo/")
    work()
    assert not Contact.objects.exists()
