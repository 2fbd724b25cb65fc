"""How an endpoint decides which deal is meant and how it writes to it: settings, each with what holds where none is
given.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from crm.models import User
from crm.refusals import InvalidFields

# The first of each is what holds unless something else is set.
MATCHING: Mapping[str, Sequence[str]] = {
    "within": ("all", "pipeline"),
    "when_several": ("newest", "review"),
    "if_missing": ("create", "ignore", "reject"),
}
WRITING: Mapping[str, Sequence[str]] = {
    "stage": ("any", "forward"),
    "status": ("any", "forward"),
    "unknown_fields": ("refuse", "create"),
    "unknown_tags": ("create", "refuse"),
    "owner": ("fixed", "round_robin", "fewest_open"),
}
OWNERS = "owners"  # of WRITING too: the ids of those who take turns; all active reps where it is empty
_MOST_OWNERS = 200


def matching_of(given: Mapping[str, Any]) -> dict[str, str]:
    """The settings of MATCHING, complete."""
    return {name: given.get(name, choices[0]) for name, choices in MATCHING.items()}


def writing_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of WRITING, complete, and the owners."""
    chosen = {name: given.get(name, choices[0]) for name, choices in WRITING.items()}
    return {**chosen, OWNERS: given.get(OWNERS, [])}


def clean_matching(given: Any) -> dict[str, str]:
    """Complete settings of MATCHING. Raises InvalidFields."""
    _check(given, MATCHING, named="matching")
    return matching_of(given)


def clean_writing(given: Any) -> dict[str, Any]:
    """Complete settings of WRITING with the owners. Raises InvalidFields."""
    is_object = isinstance(given, dict)
    owners = given.get(OWNERS, []) if is_object else []
    named = {name: value for name, value in given.items() if name != OWNERS} if is_object else given
    _check(named, WRITING, named="writing")
    if not isinstance(owners, list) or not all(type(owner) is int for owner in owners):
        raise InvalidFields({"writing": [_("The owners are a list of people’s ids.")]})
    if len(owners) > _MOST_OWNERS or User.objects.filter(pk__in=owners).count() != len(set(owners)):
        raise InvalidFields({"writing": [_("One of the owners does not exist.")]})
    return {**writing_of(given), OWNERS: list(dict.fromkeys(owners))}


def _check(given: Any, choices: Mapping[str, Sequence[str]], *, named: str) -> None:
    if not isinstance(given, dict):
        raise InvalidFields({named: [_("An object is expected.")]})
    for name, value in given.items():
        if name not in choices:
            raise InvalidFields({named: [_("There is no setting “%(name)s”.") % {"name": str(name)[:60]}]})
        if value not in choices[name]:
            said = {"name": name, "choices": ", ".join(choices[name])}
            raise InvalidFields({named: [_("“%(name)s” is one of: %(choices)s.") % said]})
