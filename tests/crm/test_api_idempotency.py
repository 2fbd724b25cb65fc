from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from crm import signals
from crm.models import Deal, IdempotentAnswer, Stage, User
from tests.crm.api import ApiClient, errors


def test_a_repeated_post_is_answered_again_and_not_done_again(api: ApiClient, stages: list[Stage]) -> None:
    sent: dict[str, Any] = {"title": "Once", "stage": stages[0].pk}
    first, second = (api.post("deals/", idempotency_key="k1", **sent) for _try in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (second["Idempotency-Replayed"], Deal.objects.count()) == ("true", 1)


def test_a_refusal_is_replayed_too(api: ApiClient, deal: Deal, stages: list[Stage]) -> None:
    refused = api.post(f"deals/{deal.pk}/move/", idempotency_key="k1", stage=stages[0].pk)
    again = api.post(f"deals/{deal.pk}/move/", idempotency_key="k1", stage=stages[0].pk)
    assert (refused.status_code, again.status_code, again.json()) == (422, 422, refused.json())


def test_a_key_used_for_another_request_is_422_and_does_nothing(api: ApiClient, stages: list[Stage]) -> None:
    first = api.post("deals/", idempotency_key="k1", title="One", stage=stages[0].pk)
    other = api.post("deals/", idempotency_key="k1", title="Two", stage=stages[0].pk)
    elsewhere = api.post("tags/", idempotency_key="k1", name="x")
    for refused in (other, elsewhere):
        assert (refused.status_code, errors(refused)) == (
            422,
            [("idempotency_key_reused", "Idempotency-Key")],
        )
    assert list(Deal.objects.values_list("title", flat=True)) == ["One"]
    assert api.post("deals/", idempotency_key="k1", title="One", stage=stages[0].pk).json() == first.json()


def test_keys_of_two_people_have_nothing_to_do_with_each_other(
    api: ApiClient, bob: User, stages: list[Stage]
) -> None:
    sent: dict[str, Any] = {"title": "Mine", "stage": stages[0].pk}
    ids = {
        client.post("deals/", idempotency_key="k1", **sent).json()["id"] for client in (api, ApiClient(bob))
    }
    assert len(ids) == 2


def test_an_answer_is_forgotten_after_a_day(api: ApiClient, stages: list[Stage]) -> None:
    sent: dict[str, Any] = {"title": "Daily", "stage": stages[0].pk}
    with time_machine.travel(timezone.now() - timedelta(hours=25), tick=False):
        api.post("deals/", idempotency_key="k1", **sent)
        api.post("tags/", idempotency_key="k2", name="old")
    api.post("deals/", idempotency_key="k1", **sent)
    assert Deal.objects.count() == 2
    assert list(IdempotentAnswer.objects.values_list("key", flat=True)) == ["k1"]


def test_a_request_that_is_not_let_in_uses_up_no_key(bob: User, db: None) -> None:
    reader, writer = ApiClient(bob, "read"), ApiClient(bob, "write")
    assert reader.post("tags/", idempotency_key="k1", name="x").status_code == 403
    assert writer.post("tags/", idempotency_key="k1", name="x").status_code == 201


def test_a_request_that_broke_down_changed_nothing_and_may_be_tried_again(
    api: ApiClient, stages: list[Stage]
) -> None:
    def fail(**_event: Any) -> None:
        raise RuntimeError("no")

    sent: dict[str, Any] = {"title": "At last", "stage": stages[0].pk}
    api.http.raise_request_exception = False
    signals.deal_created.connect(fail)
    try:
        assert api.post("deals/", idempotency_key="k1", **sent).status_code == 500
    finally:
        signals.deal_created.disconnect(fail)
    assert (Deal.objects.count(), IdempotentAnswer.objects.count()) == (0, 0)
    assert api.post("deals/", idempotency_key="k1", **sent).status_code == 201


def test_a_key_too_long_is_refused(api: ApiClient) -> None:
    answer = api.post("tags/", idempotency_key="k" * 256, name="x")
    assert (answer.status_code, errors(answer)) == (400, [("invalid", "Idempotency-Key")])


@pytest.mark.django_db(transaction=True)
def test_eight_equal_posts_at_once_make_one_deal_and_get_one_answer(
    api: ApiClient, stages: list[Stage]
) -> None:
    def post(_number: int) -> tuple[int, int]:
        try:
            answer = api.post("deals/", idempotency_key="k1", title="Once", stage=stages[0].pk)
            return answer.status_code, answer.json()["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as people:
        answers = set(people.map(post, range(8)))
    assert answers == {(201, Deal.objects.get().pk)}
