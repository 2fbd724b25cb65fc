"""What every refused write to the CRM has in common, so that pages, API and inbound requests catch one thing."""

from collections.abc import Mapping, Sequence


class Refused(Exception):
    """A refused write; nothing was changed. The message is fit for the person who asked for it."""

    code = "refused"


class Stale(Refused):
    """Somebody changed it since the caller saw it."""

    code = "stale_version"


class InvalidFields(Refused):
    """Values that cannot be. `errors` maps each field's name in the API to its messages."""

    code = "invalid"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: [str(message) for message in messages] for field, messages in errors.items()}
        super().__init__(" ".join(message for messages in self.errors.values() for message in messages))
