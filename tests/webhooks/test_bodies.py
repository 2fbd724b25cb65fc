"""What is read from bodies of every form, and what is refused."""

import json
from decimal import Decimal
from typing import Any

import pytest

from crm.models import Deal
from tests.webhooks.conftest import Sender, states
from webhooks.bodies import Malformed, is_readable, parse_body, without_file_contents
from webhooks.models import InboundRequest

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=----line"


def multipart(*parts: tuple[str, str], ending: str = "------line--\r\n") -> bytes:
    """(headers after the disposition's type, content) of each part."""
    pieces = [
        f"------line\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"
        for head, content in parts
    ]
    return ("".join(pieces) + ending).encode()


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/json", b'{"a": [1, 1.50, null, true]}', {"a": [1, Decimal("1.50"), None, True]}),
        ("application/vnd.github.v3+json", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=ISO-8859-1", '{"a": "ção"}'.encode("latin-1"), {"a": "ção"}),
        ('application/json; charset="windows-1252"', '{"a": "“€”"}'.encode("cp1252"), {"a": "“€”"}),
        ("text/plain", '{"a": "ção"}'.encode(), {"a": "ção"}),
        ("text/plain; charset=latin1", '"é"'.encode("latin-1"), "é"),
    ],
)
def test_json_is_read_in_the_charset_it_declares(content_type: str, body: bytes, value: Any) -> None:
    assert parse_body(body=body, content_type=content_type) == value


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("", {}),
        ("a=1&b=&c", {"a": "1", "b": "", "c": ""}),
        ("a+b=c+d%21\r\n", {"a b": "c d!"}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("a[]=1", {"a": ["1"]}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[7]=x", {"a": {"7": "x"}}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a%5Bb%5D%5B0%5D=1", {"a": {"b": ["1"]}}),
        ("a[][n]=1&a[][m]=2&a[][n]=3", {"a": [{"n": "1", "m": "2"}, {"n": "3"}]}),
        ("a=1&a[b]=2", {"a": {"": "1", "b": "2"}}),
        ("a[b]=2&a=1&a=3", {"a": {"b": "2", "": ["1", "3"]}}),
        ("a[b=1&]c=2&[d]=3&=4", {"a[b": "1", "]c": "2", "[d]": "3", "": "4"}),
        ("a=%zz&b=100%", {"a": "%zz", "b": "100%"}),
        ('data={"x": 1}', {"data": '{"x": 1}'}),
    ],
)
def test_brackets_in_a_forms_names_make_objects_and_lists(form: str, value: Any) -> None:
    assert parse_body(body=form.encode(), content_type=FORM) == value


def test_a_form_is_read_in_the_charset_it_declares() -> None:
    body = b"a=%E7%E3o&b=\xe9"
    assert parse_body(body=body, content_type=f"{FORM}; charset=iso-8859-1") == {"a": "ção", "b": "é"}
    with pytest.raises(Malformed):
        parse_body(body=body, content_type=FORM)


def test_a_multipart_form_tells_its_texts_and_of_its_files_only_that_they_came() -> None:
    body = multipart(
        ('name="contact[name]"', "João"),
        ('name="data"\r\nContent-Type: application/json', '{"a": 1}'),
        ('name="old"\r\nContent-Type: text/plain; charset=utf-8', "two\r\nlines"),
        ('name="cv"; filename="my cv.pdf"\r\nContent-Type: application/pdf', "%PDF-1.7"),
        ('name="photo"; filename=""\r\nContent-Type: application/octet-stream', ""),
    )
    value = {
        "contact": {"name": "João"},
        "data": '{"a": 1}',
        "old": "two\r\nlines",
        "cv": {"name": "my cv.pdf", "type": "application/pdf", "size": 8},
        "photo": None,
    }
    assert parse_body(body=body, content_type=MULTIPART) == value
    kept = without_file_contents(body=body, content_type=MULTIPART)
    assert b"%PDF" not in kept
    assert parse_body(body=kept, content_type=MULTIPART) == value
    assert without_file_contents(body=kept, content_type=MULTIPART) == kept


def test_a_multipart_body_without_files_is_kept_byte_by_byte() -> None:
    body = b"a preamble\r\n" + multipart(('name="a"', "1"))
    assert without_file_contents(body=body, content_type=MULTIPART) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"a": 1}',
        multipart(('name="a"', "1"), ending=""),
        multipart(("", "1")),
        multipart(('name="a"\r\nContent-Transfer-Encoding: base64', "MQ==")),
        multipart(('name="a"\r\nContent-Type: text/plain; charset=utf-7', "1")),
        multipart(("name=\"a\"\r\nContent-Type: text/plain; charset*=none''utf-8", "1")),
        multipart(('name="a"\r\nno header', "1")),
        multipart(('name="a"\r\nX: ' + "x" * 5_000, "1")),
        b'------line\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n------line--',
        b'------lineX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n------line--',
        b'------line\r\nContent-Disposition: form-data; name="a"\r\n------line--',
        multipart(('name="a"', "\x00")),
        multipart(('name="a"', "1")).replace(b"1\r\n", b"\xff\r\n"),
        multipart(*[('name="a"', "1")] * 2_001),
        multipart(('name="a' + "[b]" * 40 + '"', "1")),
    ],
)
def test_a_multipart_body_that_is_not_proper_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_body(body=body, content_type=MULTIPART)


@pytest.mark.parametrize(
    "body",
    [
        b"a=%00",
        b"a=%ff",
        b"\xff=1",
        b"a=%ed%a0%80",
        b"a" + b"[b]" * 32 + b"=1",
        b"&".join([b"a=1"] * 2_001),
    ],
)
def test_a_form_that_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_body(body=body, content_type=FORM)


@pytest.mark.parametrize("body", [b"[" + b"1," * 100_000 + b"1]", b'{"a":' + b"[" * 32 + b"]" * 32 + b"}"])
def test_more_values_or_a_deeper_nesting_than_we_read_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_body(body=body, content_type="application/json")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "json",
        "text/json",
        "application/json; charset=utf-16",
        "application/json; charset=\x00",
        "x" * 9_999,
    ],
)
def test_a_type_that_is_unknown_is_not_readable(content_type: str) -> None:
    assert not is_readable(content_type)


def test_forms_and_plain_text_say_as_much_as_json(sender: Sender, deal: Deal) -> None:
    said = [
        sender.post(b"deal[title]=A&contact[emails][]=a@example.com", content_type=FORM),
        sender.post(multipart(('name="deal[title]"', "B")), content_type=MULTIPART),
        sender.post(json.dumps({"deal": {"title": "C"}}).encode(), content_type="text/plain"),
    ]
    assert [answer.json()["status"] for answer in said] == ["applied"] * 3
    assert set(Deal.objects.exclude(pk=deal.pk).values_list("title", flat=True)) == {"A", "B", "C"}


def test_plain_text_is_no_standard_webhook(signing_sender: Sender) -> None:
    assert signing_sender.post(b"{}", content_type="text/plain").status_code == 415


def test_what_was_in_a_file_is_not_kept(sender: Sender) -> None:
    body = multipart(('name="deal[title]"', "A"), ('name="cv"; filename="cv.pdf"', "very private"))
    assert sender.post(body, content_type=MULTIPART).status_code == 422
    assert states() == [("rejected", "invalid")]
    assert b"very private" not in bytes(InboundRequest.objects.get().body)
