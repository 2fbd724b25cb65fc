"""How a person is named in what others wrote: by name, and by the addresses and numbers that are theirs alone."""

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_
from urllib.parse import quote

from django.db.models import Q

from crm.models import Contact

_SHORTEST_NUMBER = 8  # digits; fewer are found in too many other things
_COUNTRY = "55"
_GONE = "…"


@dataclass(frozen=True, slots=True)
class Traces:
    """`name` as it is, and `own`: each address and number in the ways in which texts write them, in lower case."""

    name: str
    own: tuple[str, ...]

    @classmethod
    def of(cls, contact: Contact) -> "Traces":
        own = {*contact.emails, *(quote(email, safe="").lower() for email in contact.emails)}
        for number in [*(phone.removeprefix("+") for phone in contact.phones), contact.tax_id]:
            for written in (number, number.removeprefix(_COUNTRY)):
                if len(written) >= _SHORTEST_NUMBER:
                    own.add(written.lower())
        return cls(name=contact.name, own=tuple(sorted(own)))

    def without_name(self, text: str, *, instead: str) -> str:
        """The text with other words for the name, where it stands as a word of its own."""
        return re.sub(
            rf"(?<!\w){re.escape(self.name)}(?!\w)", lambda _found: instead, text, flags=re.IGNORECASE
        )

    def blanked(self, text: str) -> str:
        """The text with a gap for the name and for each address and number, the longest first."""
        for word in sorted(self.own, key=len, reverse=True):
            text = re.sub(re.escape(word), _GONE, text, flags=re.IGNORECASE)
        return self.without_name(text, instead=_GONE)

    def are_in(self, text: str) -> bool:
        return self.blanked(text) != text

    def own_in(self, *columns: str) -> Q:
        """The rows of which a column has an address or a number in it; none where the person has none."""
        found = (Q(**{f"{column}__icontains": word}) for column in columns for word in self.own)
        return reduce(or_, found, Q(pk__in=[]))
