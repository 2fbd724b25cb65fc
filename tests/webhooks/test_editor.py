"""The editor of a mapping: what a sample offers, what its rows amount to, and that the preview keeps its word."""

import json
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from crm import expressions
from crm.models import Contact, CustomField, Deal, Pipeline, User
from crm.refusals import InvalidFields
from tests.webhooks.conftest import Sender
from webhooks.editor.lines import lines_of
from webhooks.editor.offers import Offer
from webhooks.editor.readings import Reader
from webhooks.editor.rows import Row, kind_of, mapping_from, rows_from, rows_of
from webhooks.editor.samples import Sample, lists_of, pasted_sample, picks_of, record_of
from webhooks.editor.words import Table, fixed, fixed_in, table_in, tabled
from webhooks.mapping import check_mapping
from webhooks.mapping.fields import Kind
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.replays import NotReplayable, replay, start_replay, work_replays

BODY: dict[str, Any] = {
    "form": {"first name": "Ana", "fields": [{"name": "email", "value": "ana@example.com"}]},
    "total": "R$ 1.234,56",
    "leads": [
        {"id": 1, "tags": ["a", "b"], "field_data": [{"name": "phone", "values": ["(11) 95550-0100"]}]}
    ],
}


@pytest.fixture
def admin(db: None) -> Client:
    boss = User.objects.create_user("boss@example.com", "secret word", name="Boss", role=User.Role.ADMIN)
    client = Client()
    client.force_login(boss)
    return client


def sample(body: Any = None) -> Sample:
    made = pasted_sample("{}" if body is None else json.dumps(body))
    return Sample(made.body, made.content_type, headers={"X-Topic": "lead", "Authorization": "•••"})


@pytest.mark.parametrize("each", ["", "leads"])
def test_every_value_that_is_offered_is_found_by_its_expression(each: str) -> None:
    found = sample(BODY)
    picks = picks_of(found, each=each)
    record = record_of(found.value, each=each)
    around = expressions.Surroundings(root=found.value, headers={"x-topic": "lead"})
    for pick in picks:
        value = expressions.evaluate(expressions.compile(pick.expression), record, around=around)
        assert str(value) == pick.shown
    assert len({pick.expression for pick in picks}) == len(picks)


@pytest.mark.parametrize("each", ["", "leads", "@"])
def test_every_value_of_the_shown_sample_leads_to_itself(each: str) -> None:
    found = sample([BODY, BODY] if each == "@" else BODY)
    lines = lines_of(found, each=each)
    record = record_of(found.value, each=each)
    around = expressions.Surroundings(root=found.value)
    told = [
        json.dumps(expressions.evaluate(expressions.compile(line.expression), record, around=around))
        for line in lines
        if line.expression
    ]
    assert told == [line.value for line in lines if line.expression]
    assert json.loads("\n".join(line.before + line.value + line.after for line in lines)) == found.value


def test_a_sample_offers_odd_names_answers_by_their_names_and_headers() -> None:
    offered = [pick.expression for pick in picks_of(sample(BODY), each="")]
    assert offered == [
        'form."first name"',
        "form.fields[?name=='email'].value | [0]",
        "total",
        "leads[0].id",
        "leads[0].tags[0]",
        "leads[0].field_data[?name=='phone'].values | [0][0]",
        "header('X-Topic')",
    ]
    assert picks_of(sample(BODY), each="leads")[0].expression == "id"
    assert [found.expression for found in lists_of(sample(BODY))] == ["form.fields", "leads"]


def test_a_body_that_cannot_be_read_offers_nothing() -> None:
    assert picks_of(Sample(b"{", "application/json"), each="") == []
    assert picks_of(None, each="leads") == []
    assert Sample(b"{", "application/json").text == "{"


def test_what_stands_as_json_inside_of_a_text_is_offered_too() -> None:
    picks = picks_of(sample({"raw": '{"q1": {"first": "Ana"}}', "odd": "{not json"}), each="")
    assert [(pick.expression, pick.shown) for pick in picks][:2] == [
        ("to_json(raw).q1.first", "Ana"),
        ("odd", "{not json"),
    ]


def test_a_form_may_be_pasted_too() -> None:
    picks = picks_of(pasted_sample("name=Ana&email=ana%40example.com"), each="")
    assert [(pick.expression, pick.shown) for pick in picks] == [
        ("name", "Ana"),
        ("email", "ana@example.com"),
    ]


@pytest.mark.parametrize(
    ("field", "expression"),
    [
        ("contact.name", "x"),
        ("contact.emails", "[trim(x)]"),
        ("contact.phones", "[to_phone(x, 'BR')]"),
        ("deal.value", "to_money(x)"),
        ("occurred_at", "to_datetime(x)"),
        ("subscription.renews_on", "to_date(x)"),
        ("company.tax_id", "digits(x)"),
        ("deal.custom_fields.", "x"),
    ],
)
def test_what_is_picked_is_read_as_its_field_needs_it(db: None, field: str, expression: str) -> None:
    row = Row(field)
    row.pick("x", reader=Reader(), kind=kind_of(row, Offer()))
    assert row.expression == expression


@pytest.mark.parametrize(
    ("kind", "value", "offered"),
    [
        (Kind.PHONES, "(11) 95550-0100", {"[to_phone(x, 'BR')]": "+5511955500100"}),
        (Kind.MONEY, "R$ 1.234,56", {"to_money(x)": "1234.56"}),
        (Kind.MONEY, 149900, {"to_money(x)": "149900.00", "from_minor(x, currency)": "1499.00"}),
        (Kind.DAY, "24/11/2026", {"to_date(x)": "2026-11-24"}),
        (Kind.MOMENT, 1700000000, {"to_datetime(x)": "2023-11-14T22:13:20.000Z"}),
        (Kind.MOMENT, 1700000000000, {"to_datetime(x)": "2023-11-14T22:13:20.000Z"}),
        (Kind.TAX_ID, "529.982.247-25", {"cpf(x)": "52998224725"}),
        (Kind.TAX_ID, "11.222.333/0001-81", {"cnpj(x)": "11222333000181"}),
        (Kind.EMAILS, " ana@example.com", {"[trim(x)]": "ana@example.com"}),
        (Kind.TEXTS, ["vip", "site"], {"x": "vip, site", "x[0]": "vip"}),
        (Kind.TEXTS, "vip, site", {"split(x, ', ')": "vip, site"}),
        (Kind.TEXT, "MARIA SOUZA", {"x": "MARIA SOUZA", "title(x)": "Maria Souza"}),
        (Kind.MONEY, "many", {}),
    ],
)
def test_the_ways_to_read_a_value_are_those_that_fit_it(
    kind: Kind, value: Any, offered: dict[str, str]
) -> None:
    reader = Reader(sample({"x": value, "currency": "USD"}))
    source = "x[0]" if isinstance(value, list) else "x"
    found = {each.expression: each.shown for each in reader.readings(kind, source)}
    assert found == offered
    assert all(reader.source_of(expression) == source for expression in found)


def test_a_list_of_records_is_read_as_a_whole() -> None:
    reader = Reader(sample({"people": [{"phone": "(11) 95550-0100"}, {"phone": "(21) 95550-0100"}]}))
    found = {each.expression: each.shown for each in reader.readings(Kind.PHONES, "people[0].phone")}
    assert found["people[*].phone.to_phone(@, 'BR')"] == "+5511955500100, +5521955500100"


@pytest.mark.parametrize(
    "table",
    [
        Table("status", [("paid", "Won"), ("it's `odd`", "Lost \\ x")], "New"),
        Table("a.b | [0]", [("1", "")]),
        Table("default(x, 'y')", [("a", "b")], "it's"),
    ],
)
def test_a_table_of_words_comes_back_from_its_expression(table: Table) -> None:
    assert table_in(tabled(table)) == table
    assert table_in('lookup(status, `{"paid": 1}`)') is None
    assert table_in("name") is None


@pytest.mark.parametrize("value", ["vip", "it's", "a\\b", "`", ""])
def test_what_is_always_the_same_comes_back_from_its_expression(value: str) -> None:
    assert fixed_in(fixed([value], is_list=False)) == [value]
    assert fixed_in(fixed([value, "x"], is_list=True)) == ([value, "x"] if value else ["x"])
    assert fixed_in("name") is None
    assert fixed_in("['a', name]") is None


def test_a_mapping_comes_back_from_its_rows(db: None) -> None:
    mapping = {
        "each": "leads",
        "when": "event != 'test'",
        "otherwise": "A test",
        "fields": {"deal.title": "name", "deal.custom_fields.a.b": "x", "deal.external_ids.erp": "id"},
        "only_if_empty": ["deal.title"],
    }
    parts = {name: str(mapping[name]) for name in ("each", "when", "otherwise")}
    assert mapping_from(rows_of(mapping, Offer()), **parts) == mapping
    assert mapping_from([Row("deal.title")], **parts) is None
    assert check_mapping(mapping) == []


def form(rows: list[tuple[str, str, str]], **more: Any) -> dict[str, Any]:
    """What the page posts: rows as (field, free name, expression)."""
    settings = {
        "within": "all",
        "when_several": "newest",
        "if_missing": "create",
        "stage": "any",
        "status": "any",
    }
    settings |= {"unknown_fields": "refuse", "unknown_tags": "create", "owner": "fixed"}
    data: dict[str, Any] = {"mode": "rows", **settings, "row": [f"k{place}" for place in range(len(rows))]}
    for place, (field, free, expression) in enumerate(rows):
        data |= {
            f"row-k{place}-field": field,
            f"row-k{place}-free": free,
            f"row-k{place}-expression": expression,
        }
    return {**data, **more}


def test_a_mapping_is_built_saved_and_kept_to(admin: Client, sender: Sender, pipeline: Pipeline) -> None:
    url = f"/webhooks/endpoints/{sender.endpoint.pk}/mapping/"
    assert sender.post(BODY).json()["status"] == "rejected"
    request = InboundRequest.objects.get()
    shown = admin.get(url).content.decode()
    assert "form.fields[?name==&#x27;email&#x27;].value | [0] = ana@example.com" in shown
    email = "[form.fields[?name=='email'].value | [0]]"
    rows = [
        ("contact.emails", "", email),
        ("deal.value", "", "to_money(total)"),
        ("deal.external_ids.", "site", "'7'"),
    ]
    data = form(rows, sample=request.pk, owner="round_robin", if_missing="create")
    preview = admin.post(f"{url}preview/", data).content.decode()
    assert "Would make a new deal." in preview
    assert "1234.56" in preview
    assert (Deal.objects.count(), Contact.objects.count()) == (0, 0)
    assert admin.post(url, data).status_code == 302
    endpoint = InboundEndpoint.objects.get()
    assert endpoint.mapping == {
        "fields": {"contact.emails": email, "deal.value": "to_money(total)", "deal.external_ids.site": "'7'"}
    }
    assert endpoint.writing["owner"] == "round_robin"
    admin.post(f"/webhooks/requests/{request.pk}/replay/")
    deal = Deal.objects.get()
    assert (f"{deal.value}", deal.title) == ("1234.56", "ana@example.com")


def test_what_is_wrong_stands_beside_its_row_and_nothing_is_saved(
    admin: Client, endpoint: InboundEndpoint
) -> None:
    url = f"/webhooks/endpoints/{endpoint.pk}/mapping/"
    answer = admin.post(url, form([("deal.title", "", "name["), ("contact.name", "", "name")]))
    assert answer.status_code == 422
    assert 'id="row-k0-error"' in answer.content.decode()
    assert 'id="row-k1-error"' not in answer.content.decode()
    twice = admin.post(url, form([("deal.title", "", "a"), ("deal.title", "", "b")]))
    assert "This field is filled in twice." in twice.content.decode()
    assert InboundEndpoint.objects.get().mapping is None
    preview = admin.post(f"{url}preview/", form([("deal.title", "", "name[")])).content.decode()
    assert "fields.deal.title" in preview


def test_experts_write_json_and_several_mappings_are_kept_as_that(
    admin: Client, endpoint: InboundEndpoint
) -> None:
    url = f"/webhooks/endpoints/{endpoint.pk}/mapping/"
    text = '[{"when": "a", "fields": {"deal.title": "a"}}, {"fields": {"deal.title": "b"}}]'
    assert admin.post(url, form([], mode="json", text=text)).status_code == 302
    assert [sorted(each) for each in InboundEndpoint.objects.get().mapping or ()] == [
        ["fields", "when"],
        ["fields"],
    ]
    assert json.loads(admin.get(url).context["form"]["text"].value())[0]["when"] == "a"
    wrong = admin.post(url, form([], mode="json", text='{"fields": '))
    assert "This is no JSON (line 1, column 12)." in wrong.content.decode()
    refused = admin.post(url, form([], mode="json", text='{"fields": {"deal.x": "a"}}'))
    assert "fields.deal.x" in refused.content.decode()
    assert admin.post(url, form([], mode="json", text="")).status_code == 302
    assert InboundEndpoint.objects.get().mapping is None


def test_of_several_mappings_each_is_edited_in_rows(admin: Client, endpoint: InboundEndpoint) -> None:
    first = {"when": "kind == 'a'", "fields": {"deal.title": "a"}}
    rest = {"fields": {"deal.title": "b"}}
    InboundEndpoint.objects.update(mapping=[first, rest])
    url = f"/webhooks/endpoints/{endpoint.pk}/mapping/"
    shown = admin.get(f"{url}?part=1").context["form"]
    assert (shown["mode"].value(), [row.expression for row in shown.rows]) == ("rows", ["b"])
    admin.post(url, form([("deal.title", "", "c")], part="1"))
    assert InboundEndpoint.objects.get().mapping == [first, {"fields": {"deal.title": "c"}}]
    wrong = admin.post(url, form([("deal.title", "", "name[")], part="1"))
    assert 'id="row-k0-error"' in wrong.content.decode()
    made = admin.post(url, form([("deal.title", "", "d")], part="2", when="kind == 'd'"))
    assert made["Location"] == f"{url}?part=1"  # before the one that takes everything
    new = {"when": "kind == 'd'", "fields": {"deal.title": "d"}}
    assert InboundEndpoint.objects.get().mapping == [first, new, {"fields": {"deal.title": "c"}}]
    admin.post(url, form([("deal.title", "", "")], part="0"))
    assert InboundEndpoint.objects.get().mapping == [new, {"fields": {"deal.title": "c"}}]
    assert admin.get(f"{url}?part=99").status_code == 200


def test_a_row_says_what_is_always_the_same_and_words_in_ours(
    admin: Client, endpoint: InboundEndpoint
) -> None:
    CustomField.objects.create(
        entity="deal", key="plan", label="Plan", type="choice", options=["Basic", "Pro"]
    )
    url = f"/webhooks/endpoints/{endpoint.pk}/mapping/"
    data = form([("deal.add_tags", "", ""), ("deal.stage", "", "status")], pasted='{"status": "paid"}')
    data |= {"row-k0-pick": "['']", "this": "k0"}
    row = admin.post(f"{url}row/", data, headers={"HX-Trigger-Name": "row-k0-pick"}).content.decode()
    assert 'name="row-k0-fixed"' in row
    assert "Deal: Plan" in row
    del data["row-k0-expression"], data["row-k0-pick"]
    data |= {"row-k0-fixed": ["vip", "site"], "row-k0-list": "1", "this": "k1"}
    table = """lookup(status, `{"paid": ""}`)"""
    chosen = {**data, "row-k1-read": table}
    row = admin.post(f"{url}row/", chosen, headers={"HX-Trigger-Name": "row-k1-read"}).content.decode()
    assert 'name="row-k1-from"' in row
    assert '<option value="Proposal">' in row
    del data["row-k1-expression"]
    data |= {
        "row-k1-of": "status",
        "row-k1-from": ["paid", ""],
        "row-k1-to": ["Won", ""],
        "row-k1-other": "New",
    }
    longer = admin.post(f"{url}row/", {**data, "more": "1"}).content.decode()
    assert longer.count('name="row-k1-from"') == 3
    result = admin.post(f"{url}result/", data).content.decode()
    assert "= <b>Won</b>" in result
    assert admin.post(url, data).status_code == 302
    mapping = InboundEndpoint.objects.get().mapping
    assert mapping == {
        "fields": {
            "deal.add_tags": "['vip', 'site']",
            "deal.stage": """default(lookup(status, `{"paid": "Won"}`), 'New')""",
        }
    }


def test_a_row_takes_what_is_picked_for_it_and_no_other(admin: Client, endpoint: InboundEndpoint) -> None:
    data = form([("deal.title", "", "name"), ("contact.phones", "", "")], pasted='{"phone": "1"}', this="k1")
    data["row-k1-pick"] = "phone"
    row = admin.post(f"/webhooks/endpoints/{endpoint.pk}/mapping/row/", data).content.decode()
    assert "[to_phone(phone, &#x27;BR&#x27;)]" in row
    assert 'id="row-k1"' in row
    assert 'id="row-k0"' not in row
    new = admin.post(f"/webhooks/endpoints/{endpoint.pk}/mapping/row/", form([("deal.title", "", "name")]))
    assert 'id="row-k0"' not in new.content.decode()


def test_rows_are_offered_what_another_sample_holds(admin: Client, endpoint: InboundEndpoint) -> None:
    data = form([("deal.title", "", "name")], pasted='{"other": "thing"}')
    rows = admin.post(f"/webhooks/endpoints/{endpoint.pk}/mapping/rows/", data).content.decode()
    assert "other = thing" in rows
    assert 'value="name"' in rows
    many = form([("deal.title", "", "")], pasted='{"leads": [{"name": "Ana"}, {}]}', each="leads")
    rows = admin.post(f"/webhooks/endpoints/{endpoint.pk}/mapping/rows/", many).content.decode()
    assert '<option value="leads">' in rows
    assert "2 records" in rows
    assert "name = Ana" in rows


def test_a_first_sample_is_waited_for_and_shown_when_it_comes(
    admin: Client, sender: Sender, pipeline: Pipeline
) -> None:
    url = f"/webhooks/endpoints/{sender.endpoint.pk}/mapping/"
    page = admin.get(url).content.decode()
    assert "Waiting for a first request." in page
    assert sender.endpoint.url in page
    sender.client.get(f"/in/{sender.endpoint.key}/")
    assert "One came without a body to show:" in admin.get(f"{url}arrivals/").content.decode()
    sender.post(BODY)
    arrived = admin.get(f"{url}arrivals/").content.decode()
    newest = sender.endpoint.requests.newest_first().first()
    assert newest is not None
    assert f'<option value="{newest.pk}" selected>' in arrived
    assert 'hx-trigger="load, change"' in arrived
    assert "hx-get" not in arrived  # nobody waits any more
    assert "Waiting for a first request." not in admin.get(url).content.decode()


def test_a_mapping_is_tried_on_what_came_before_and_nothing_is_written(
    admin: Client, sender: Sender, pipeline: Pipeline
) -> None:
    for total in ("R$ 10,00", "many"):
        sender.post({"total": total})
    url = f"/webhooks/endpoints/{sender.endpoint.pk}/mapping/trial/"
    rows = [("deal.title", "", "'Order'"), ("deal.value", "", "to_money(total)")]
    page = admin.post(url, form(rows))
    trials = page.context["trials"]
    assert [(trial.state, bool(trial.problem)) for trial in trials] == [
        ("rejected", True),
        ("applied", False),
    ]
    assert "1 of 2 requests would be applied." in page.content.decode()
    wrong = admin.post(url, form([("deal.title", "", "name[")])).content.decode()
    assert "The mapping cannot be used yet." in wrong
    assert Deal.objects.count() == 0
    assert set(InboundRequest.objects.values_list("state", flat=True)) == {"rejected"}


def test_a_new_row_is_for_a_field_that_is_not_filled_yet(admin: Client, endpoint: InboundEndpoint) -> None:
    url = f"/webhooks/endpoints/{endpoint.pk}/mapping/row/"
    new = admin.post(url, form([("deal.title", "", "name"), ("deal.value", "", "")])).content.decode()
    assert '<option value="deal.currency" selected>' in new


def test_nobody_but_an_administrator_edits_mappings(endpoint: InboundEndpoint) -> None:
    rep = Client()
    rep.force_login(User.objects.create_user("rep@example.com", "secret word", name="Rita"))
    url = f"/webhooks/endpoints/{endpoint.pk}/mapping/"
    assert rep.get(url).status_code == 403
    for path in ("", "row/", "rows/", "result/", "preview/", "trial/"):
        assert rep.post(f"{url}{path}", form([("deal.title", "", "x")])).status_code == 403
    assert InboundEndpoint.objects.get().mapping is None


def test_rows_of_strange_keys_are_passed_over() -> None:
    assert rows_from(QueryDict("row=../x&row=k1&row-k1-field=deal.title")) == [Row("deal.title", key="k1")]


# ---- Setting up, and switching on ----


@pytest.fixture
def unfinished(sender: Sender) -> Sender:
    InboundEndpoint.objects.update(setting_up=True)
    sender.endpoint.refresh_from_db()
    return sender


def test_what_comes_while_an_endpoint_is_set_up_is_kept_and_not_applied(unfinished: Sender) -> None:
    answer = unfinished.post({"deal": {"title": "Early"}})
    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (
        200,
        "ignored",
        "setting_up",
    )
    request = InboundRequest.objects.get()
    assert (bytes(request.body), request.holds_key) == (b'{"deal": {"title": "Early"}}', False)
    with pytest.raises(NotReplayable):
        replay(request_id=request.pk, now=timezone.now())
    with pytest.raises(InvalidFields):
        start_replay(endpoint_id=unfinished.endpoint.pk, since=timezone.now(), by=None)
    assert Deal.objects.count() == 0


def test_it_is_switched_on_with_what_was_tried_and_nothing_else(admin: Client, unfinished: Sender) -> None:
    url = f"/webhooks/endpoints/{unfinished.endpoint.pk}/"
    for name in ("Ana", "Bia"):
        unfinished.post({"name": name})
    draft = form([("deal.title", "", "name")])
    seen = admin.post(f"{url}mapping/trial/", draft).context["seen"]
    changed = admin.post(f"{url}mapping/", {**form([("deal.title", "", "'x'")]), "switch_on": seen})
    assert "This has changed since it was tried." in changed.content.decode()
    endpoint = InboundEndpoint.objects.get()
    assert (endpoint.setting_up, endpoint.mapping) == (True, None)
    assert admin.post(f"{url}mapping/", draft).status_code == 302  # saved, to go on later
    assert InboundEndpoint.objects.get().setting_up
    assert admin.post(f"{url}mapping/", {**draft, "switch_on": seen})["Location"] == url
    assert not InboundEndpoint.objects.get().setting_up
    assert unfinished.post({"name": "Eva"}).json()["status"] == "applied"
    assert admin.get(url).context["kept_for_later"] == 2
    admin.post(f"{url}replay/", {"days": "30"})
    work_replays()
    assert sorted(Deal.objects.values_list("title", flat=True)) == ["Ana", "Bia", "Eva"]
    assert admin.get(url).context["kept_for_later"] == 0


def test_a_new_endpoint_begins_in_setting_up_if_its_page_says_so(admin: Client, pipeline: Pipeline) -> None:
    new = "/webhooks/endpoints/new/"
    assert admin.get(new).context["form"]["setting_up"].value() is True
    data = {
        "name": "Shop",
        "enabled": "on",
        "scheme": "none",
        "response_mode": "wait",
        "max_body_bytes": 1000,
    }
    admin.post(new, {**data, "setting_up": "on"})
    endpoint = InboundEndpoint.objects.get()
    assert endpoint.setting_up
    assert "Being set up" in admin.get("/webhooks/").content.decode()
    admin.post(endpoint.get_absolute_url(), data)
    assert InboundEndpoint.objects.get().setting_up  # its form does not switch it on by the way


# ---- Systems that nobody has told us of: what is clicked in their first request makes the mapping ----

OPPORTUNITY = {
    "event": "opportunity.new",
    "records": [
        {
            "id": 7731,
            "name": "New shop",
            "party": {"name": "Padaria Aurora", "kind": "organisation"},
            "milestone": {"name": "Bid"},
            "value": {"amount": 1250000, "currency": "BRL"},
            "expected": "2026-12-31",
        }
    ],
}
PROSPECT = {
    "data": {
        "type": "prospect",
        "attributes": {
            "firstName": "Rui",
            "emails": ["rui@example.com", "r@example.com"],
            "phone": "1155500100",
        },
        "relationships": {"owner": {"id": 3}},
    },
    "meta": {"at": "2026-11-24T12:00:00-03:00", "name": "prospect.created"},
}


@pytest.mark.parametrize(
    ("body", "each", "clicks", "made"),
    [
        (
            OPPORTUNITY,
            "records",
            {
                "deal.title": ("name", ""),
                "company.name": ("party.name", ""),
                "deal.value": ("value.amount", "from_minor(value.amount, value.currency)"),
                "deal.expected_close_on": ("expected", ""),
                "deal.stage": ("milestone.name", """lookup(milestone.name, `{"Bid": "Proposal"}`)"""),
            },
            ("New shop", "12500.00", "Proposal", "2026-12-31", "Padaria Aurora"),
        ),
        (
            PROSPECT,
            "",
            {
                "deal.title": ("data.attributes.firstName", ""),
                "contact.emails": ("data.attributes.emails[0]", "data.attributes.emails"),
                "contact.phones": ("data.attributes.phone", ""),
                "occurred_at": ("meta.at", ""),
            },
            ("Rui", "0.00", "New", "None", "+551155500100 r@example.com rui@example.com"),
        ),
    ],
)
def test_an_unknown_system_is_connected_by_clicks_broken_and_mended(
    admin: Client,
    unfinished: Sender,
    body: dict[str, Any],
    each: str,
    clicks: dict[str, tuple[str, str]],
    made: tuple[str, ...],
) -> None:
    url = f"{unfinished.endpoint.get_absolute_url()}mapping/"
    unfinished.post(body)
    rows = []
    for field, (value, read) in clicks.items():
        data = form([(field, "", "")], sample=InboundRequest.objects.get().pk, each=each, this="k0")
        name = "read" if read else "pick"
        data[f"row-k0-{name}"] = read or value
        answer = admin.post(f"{url}row/", data, headers={"HX-Trigger-Name": f"row-k0-{name}"})
        rows.append((field, "", answer.context["shown"].row.expression))
    draft = form(rows, each=each)
    tried = admin.post(f"{url}trial/", draft).context
    assert [(trial.state, trial.problem) for trial in tried["trials"]] == [("applied", "")]
    admin.post(url, {**draft, "switch_on": tried["seen"]})
    replay(request_id=InboundRequest.objects.get().pk, now=timezone.now())
    deal = Deal.objects.get()
    people = (
        [*deal.contact.emails, *deal.contact.phones] if deal.contact else [deal.company and deal.company.name]
    )
    told = (
        deal.title,
        f"{deal.value}",
        deal.stage.name,
        f"{deal.expected_close_on}",
        " ".join(sorted(map(str, people))),
    )
    assert told == made
    broken = [(field, free, "'x@'" if field == "contact.emails" else text) for field, free, text in rows]
    broken = [(field, free, "'x'" if field == "deal.stage" else text) for field, free, text in broken]
    admin.post(url, form(broken, each=each))
    assert unfinished.post({**body, "again": 1}).json()["status"] == "rejected"
    admin.post(url, draft)
    rejected = InboundRequest.objects.get(state="rejected")
    assert replay(request_id=rejected.pk, now=timezone.now()).state == "applied"
