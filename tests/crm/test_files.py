"""Files on deals: what is kept, who gets it and as what, and that nothing is lost or left over when a process dies."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from crm import files
from crm.actors import Actor
from crm.deals import create_deal, delete_deal
from crm.files import ARRIVES_WITHIN, keep_file, sweep
from crm.models import Change, Deal, DealFile, Stage, User
from tests.crm.pages import browser_of, texts


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def stored(storage: Path) -> list[bytes]:
    return [path.read_bytes() for path in storage.rglob("*") if path.is_file()]


@pytest.fixture
def oven(stages: list[Stage], actor: Actor, bob: User) -> Deal:
    return create_deal(actor=actor, stage=stages[0], title="Oven", fields={"owner": bob})


@pytest.fixture
def as_bob(bob: User) -> Client:
    return browser_of(bob)


def upload(client: Client, deal: Deal, *named: tuple[str, bytes]) -> Any:
    sent = [SimpleUploadedFile(name, content, "text/html") for name, content in named]
    return client.post(f"/deals/{deal.pk}/files/", {"upload": sent})


def test_files_are_kept_listed_and_told_in_the_history(as_bob: Client, oven: Deal, storage: Path) -> None:
    answer = upload(as_bob, oven, ("offer.pdf", b"one"), ("Preço.xlsx", b"two"))
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (200, '{"deal-changed": {}}')
    assert sorted(stored(storage)) == [b"one", b"two"]
    assert {(row.name, row.size, row.deal, row.created_by["name"]) for row in DealFile.objects.all()} == {
        ("offer.pdf", 3, oven, "Bob"),
        ("Preço.xlsx", 3, oven, "Bob"),
    }
    page = as_bob.get(f"/deals/{oven.pk}/").content.decode()
    assert "Files: offer.pdf · Bob" in texts(page, "what")
    assert page.count('hx-get="/files/') == 2


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("page.html", "application/octet-stream"),
        ("drawing.svg", "application/octet-stream"),
        ("page.html.gz", "application/octet-stream"),
        ("offer.pdf", "application/pdf"),
        ("photo.PNG", "image/png"),
    ],
)
def test_a_file_is_taken_home_and_never_shown_by_the_browser(
    as_bob: Client, oven: Deal, name: str, content_type: str
) -> None:
    upload(as_bob, oven, (name, b"<script>alert(1)</script>"))
    answer: Any = as_bob.get(f"/files/{DealFile.objects.get().pk}/")
    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_name_cannot_lead_anywhere_else_or_break_a_header(oven: Deal, actor: Actor, storage: Path) -> None:
    content = ContentFile(b"x")
    row = keep_file(deal=oven, name='..\\..\\etc/pa"ss\r\nX: y\u202e\0.txt', content=content, actor=actor)
    assert row.name == 'pa"ssX: y.txt'
    assert all("ss" not in path.name for path in storage.rglob("*"))
    long = keep_file(deal=oven, name="a" * 400 + ".pdf", content=ContentFile(b"x"), actor=actor)
    assert (len(long.name), long.name[-5:]) == (200, "a.pdf")
    assert keep_file(deal=oven, name="\r\n", content=ContentFile(b"x"), actor=actor).name == "File"


def test_what_is_too_large_or_empty_is_named_and_the_rest_is_kept(
    as_bob: Client, oven: Deal, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 5)
    answer = upload(as_bob, oven, ("big.txt", b"123456"), ("fits.txt", b"12345"), ("none.txt", b""))
    (error,) = texts(answer.content.decode(), "error")
    assert answer.status_code == 422
    assert "“big.txt” is larger than" in error
    assert "“none.txt” is empty." in error
    assert stored(storage) == [b"12345"]
    nothing = as_bob.post(f"/deals/{oven.pk}/files/", {})
    assert (nothing.status_code, DealFile.objects.count()) == (422, 1)


def test_who_does_not_see_the_deal_gets_no_file_and_puts_none(
    as_bob: Client, charlie: User, oven: Deal, storage: Path
) -> None:
    upload(as_bob, oven, ("offer.pdf", b"one"))
    as_charlie, file = browser_of(charlie), DealFile.objects.get()
    assert as_charlie.get(f"/files/{file.pk}/").status_code == 404
    assert as_charlie.get(f"/files/{file.pk}/delete/").status_code == 404
    assert as_charlie.post(f"/files/{file.pk}/delete/").status_code == 404
    assert upload(as_charlie, oven, ("mine.pdf", b"two")).status_code == 404
    assert Client().get(f"/files/{file.pk}/").status_code == 302
    assert stored(storage) == [b"one"]


def test_a_file_is_deleted_after_a_question(
    as_bob: Client, oven: Deal, storage: Path, django_capture_on_commit_callbacks: Any
) -> None:
    upload(as_bob, oven, ("offer.pdf", b"one"))
    address = f"/files/{DealFile.objects.get().pk}/delete/"
    assert "Delete “offer.pdf”?" in as_bob.get(address).content.decode()
    assert stored(storage) == [b"one"]
    with django_capture_on_commit_callbacks(execute=True):
        assert as_bob.post(address).status_code == 200
    assert (stored(storage), DealFile.objects.count()) == ([], 0)
    last = Change.objects.filter(field="files").first()
    assert last is not None
    assert (last.before, last.after, last.actor_name) == ("offer.pdf", None, "Bob")
    assert as_bob.post(address).status_code == 404


@pytest.mark.parametrize("dies_at", ["save", "_flush", "_put_on"])
def test_an_upload_that_dies_was_not_accepted_and_leaves_nothing_for_long(
    oven: Deal, actor: Actor, storage: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    def die(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(default_storage if dies_at == "save" else files, dies_at, die)
        with pytest.raises(KeyboardInterrupt):
            keep_file(deal=oven, name="a.txt", content=ContentFile(b"x"), actor=actor)
    assert (oven.files.count(), Change.objects.filter(field="files").count()) == (0, 0)
    now = timezone.now()
    assert (sweep(now=now), DealFile.objects.count()) == (0, 1)  # it may be arriving still
    assert sweep(now=now + ARRIVES_WITHIN + timedelta(minutes=1)) == 1
    assert (stored(storage), DealFile.objects.count()) == ([], 0)


def test_a_deletion_that_dies_is_finished_and_other_files_stay(
    as_bob: Client, oven: Deal, storage: Path
) -> None:
    upload(as_bob, oven, ("gone.pdf", b"gone"), ("kept.pdf", b"kept"))
    as_bob.post(f"/files/{DealFile.objects.get(name='gone.pdf').pk}/delete/")  # no callback runs in this test
    assert (sorted(stored(storage)), [row.name for row in oven.files.all()]) == (
        [b"gone", b"kept"],
        ["kept.pdf"],
    )
    assert sweep(now=timezone.now() + timedelta(days=1)) == 1
    assert (stored(storage), DealFile.objects.count()) == ([b"kept"], 1)


def test_the_files_of_a_deleted_deal_go(oven: Deal, actor: Actor, storage: Path) -> None:
    keep_file(deal=oven, name="a.txt", content=ContentFile(b"x"), actor=actor)
    delete_deal(deal_id=oven.pk, actor=actor)
    assert sweep(now=timezone.now() + timedelta(days=1)) == 1
    assert stored(storage) == []
