"""Each code that the log can hold has a sentence and advice, in both languages."""

import pytest
from django.utils import translation

from automations.explanations import advise, advise_delivery, explain_answer, explain_delivery, explain_end
from automations.health import HELD_TOO_LONG
from automations.http import ErrorCode
from automations.leases import INTERRUPTED
from automations.loops import CHAIN_REPEATED, CHAIN_TOO_DEEP, TOO_MANY_CHANGES
from automations.models import Attempt, Delivery
from automations.reasons import ENDINGS, ERRORS, Reason
from automations.rendering import FAILED, TOO_LARGE
from automations.undoing import UNDONE
from automations.verdicts import ABORTED
from automations.waiting import LEFT_STAGE
from tests.automations.test_pages_deliveries import NOON

REASONS = {
    *(ABORTED, CHAIN_REPEATED, CHAIN_TOO_DEEP, HELD_TOO_LONG, LEFT_STAGE, TOO_MANY_CHANGES, UNDONE),
    *(FAILED, TOO_LARGE),
    *("by_hand", "destination_deleted", "rule_deleted", "silent_mode"),
}


def test_no_code_is_missing() -> None:
    assert set(ERRORS) == {*ErrorCode, INTERRUPTED}
    assert set(ENDINGS) == REASONS


@pytest.mark.parametrize("reason", [*ERRORS.values(), *ENDINGS.values()], ids=[*ERRORS, *ENDINGS])
def test_each_is_said_and_advised_in_both_languages(reason: Reason) -> None:
    told = []
    for language in ("en", "pt-br"):
        with translation.override(language):
            told += [str(reason.sentence), str(reason.advice)]
    assert len(set(told)) == 4
    assert all(text.endswith(".") and len(text) < 125 for text in told)


@pytest.mark.parametrize("code", sorted(REASONS - {FAILED, TOO_LARGE}))
def test_what_ended_a_delivery_stands_before_its_last_attempt(code: str) -> None:
    delivery, last = Delivery(state="failed", reason=code, attempts_made=1), Attempt(status_code=404)
    said = explain_delivery(delivery, last=last, now=NOON)
    assert said == explain_end(delivery) == ENDINGS[code].sentence
    assert advise_delivery(delivery, last=last) == ENDINGS[code].advice


@pytest.mark.parametrize("code", [FAILED, TOO_LARGE])
def test_what_could_not_be_built_is_explained_without_an_attempt(code: str) -> None:
    delivery = Delivery(state="failed", error_code=code)
    assert explain_delivery(delivery, last=None, now=NOON) == explain_end(delivery) == ENDINGS[code].sentence
    assert advise_delivery(delivery, last=None) == ENDINGS[code].advice


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 452), *range(500, 512), 599])
def test_each_answer_but_2xx_is_advised_on(status: int) -> None:
    assert advise(Attempt(status_code=status)).endswith(".")


def test_what_is_well_needs_no_advice() -> None:
    assert advise(Attempt(status_code=200)) == ""
    assert advise(Attempt()) == ""
    assert advise_delivery(Delivery(state="pending"), last=None) == ""
    assert advise_delivery(Delivery(state="delivered"), last=Attempt(status_code=503)) == ""


def test_a_code_that_is_not_known_any_more_is_explained_too() -> None:
    unknown = ERRORS[ErrorCode.UNKNOWN]
    assert explain_answer(status=None, error="a_code_of_old") == unknown.sentence
    assert advise(Attempt(error_code="a_code_of_old")) == unknown.advice
