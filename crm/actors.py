"""Who makes a change, and through what: a person in the browser, an API token, another system, or Stagehook itself.

Every write names its actor. Where a write arrives without one (`deal.save()`, Django's admin), the actor of the
request under way is taken, else the system.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from crm.models import ApiToken, User


class ActorKind(StrEnum):
    USER = "user"
    TOKEN = "token"  # noqa: S105  # a kind of actor, not a password
    INBOUND = "inbound"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is that of the user, the token or the inbound endpoint, and None for the system.

    `chain` names the run of cause and effect this change belongs to and `depth` how many times it has been
    through another system, so that two systems cannot answer each other for ever. What a `quiet` actor does is written
    down like everything else, but told to no other system.
    """

    kind: ActorKind
    id: int | None
    name: str
    chain: UUID = field(default_factory=uuid4)
    depth: int = 0
    quiet: bool = False

    @classmethod
    def user(cls, user: "User") -> "Actor":
        return cls(kind=ActorKind.USER, id=user.pk, name=str(user))

    @classmethod
    def token(cls, token: "ApiToken") -> "Actor":
        return cls(kind=ActorKind.TOKEN, id=token.pk, name=token.name)

    @classmethod
    def inbound(cls, *, endpoint_id: int, name: str, chain: UUID | None = None, depth: int = 0) -> "Actor":
        return cls(kind=ActorKind.INBOUND, id=endpoint_id, name=name, chain=chain or uuid4(), depth=depth)

    @classmethod
    def system(cls, name: str = "Stagehook") -> "Actor":
        return cls(kind=ActorKind.SYSTEM, id=None, name=name)

    def as_json(self) -> dict[str, Any]:
        """`{"kind", "id", "name"}`, the shape of `changed_by`."""
        return {"kind": self.kind.value, "id": self.id, "name": self.name}


_current: ContextVar[Actor | None] = ContextVar("current_actor", default=None)


@contextmanager
def acting_as(actor: Actor) -> Iterator[Actor]:
    """Make `actor` the one that writes without a named actor are put down to."""
    token = _current.set(actor)
    try:
        yield actor
    finally:
        _current.reset(token)


def current_actor() -> Actor:
    return _current.get() or Actor.system()
