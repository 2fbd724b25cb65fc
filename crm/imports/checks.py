"""What a run would do, found out by reading alone: rows are read and matched as by a run, and nothing is written."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from crm.imports.known import Known
from crm.imports.plans import BadRow, Plan, Reading
from crm.imports.targets import Entity
from crm.models import ImportRow, Stage
from crm.refusals import Refused

Outcome = ImportRow.Outcome
SHOWN = 20  # rows whose problems are told


def check_rows(chunks: Iterable[Sequence[ImportRow]], *, plan: Plan) -> dict[str, Any]:
    """What `Import.checked` holds."""
    tally: Counter[str] = Counter()
    problems: list[tuple[int, str]] = []
    checker = _Checker(plan)
    for rows in chunks:
        for number, outcome, reason in checker.check(rows):
            tally[outcome] += 1
            if reason and len(problems) < SHOWN:
                problems.append((number, reason))
    return {**{outcome: tally[outcome] for outcome in Outcome.values}, "problems": problems}


class _Checker:
    """Goes through the rows in order and remembers what each would make."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known = Known(system=plan.choices.system)

    def check(self, rows: Sequence[ImportRow]) -> list[tuple[int, Outcome, str]]:
        """The number of each row, what would become of it, and why nothing would."""
        readings: dict[int, Reading | str] = {}
        for row in rows:
            try:
                readings[row.number] = self._plan.read(row.cells)
            except BadRow as problem:
                readings[row.number] = str(problem)
        self._known.learn([reading for reading in readings.values() if not isinstance(reading, str)])
        return [(number, *self._judged(reading)) for number, reading in readings.items()]

    def _judged(self, reading: Reading | str) -> tuple[Outcome, str]:
        if isinstance(reading, str):
            return Outcome.FAILED, reading
        try:
            found = self._known.find(reading[self._plan.entity])
            if reason := self._plan.reason_to_skip(is_there=found is not None):
                return Outcome.SKIPPED, reason
            for entity in reading:
                if self._known.find(reading[entity]) is None:
                    self._pretend(reading, entity)
        except (BadRow, Refused) as problem:
            return Outcome.FAILED, str(problem)
        return (Outcome.CREATED if found is None else Outcome.UPDATED), ""

    def _pretend(self, reading: Reading, entity: Entity) -> None:
        fields = self._plan.fields_of_new(reading, entity)
        if entity == Entity.DEAL:
            _refuse_missing(fields["stage"], {**fields, **dict.fromkeys(reading, True)})
        self._known.add(reading[entity])


def _refuse_missing(stage: Stage, fields: dict[str, Any]) -> None:
    """Raises BadRow where a new deal lacks what its stage asks for."""
    if fields.get("status", "open") != "open":
        return
    custom = {f"custom_fields.{key}": value for key, value in fields.get("custom_fields", {}).items()}
    said = {**fields, **custom}
    missing = [name for name in stage.required_fields if said.get(name) in (None, "", 0, [])]
    if missing:
        names = {"stage": stage.name, "fields": get_text_list(missing, _("and"))}
        raise BadRow(_("The stage “%(stage)s” asks for %(fields)s.") % names)
