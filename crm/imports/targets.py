"""What a column of a file may become, and which of it a heading probably means, in Portuguese and in English.

A heading is understood as a thing and its part: "Pessoa - Nome" is the name of the contact, "E-mail" alone the first
e-mail that the file may hold, "Empresa" alone the company's name.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.folding import fold
from crm.models import CustomField

Entity = CustomField.Entity


class Kind(StrEnum):
    """How a cell is read. The types of custom fields have the same names."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    CHOICE = "choice"
    CHOICES = "choices"
    BOOLEAN = "boolean"
    NAMES = "names"
    EMAILS = "emails"
    PHONES = "phones"
    TAX_ID = "tax_id"
    DOMAIN = "domain"
    ID = "id"
    EXTERNAL_ID = "external_id"
    STAGE = "stage"
    PIPELINE = "pipeline"
    STATUS = "status"
    OWNER = "owner"
    SOURCE = "source"
    LOST_REASON = "lost_reason"


@dataclass(frozen=True, slots=True)
class Target:
    """`options` are those of a choice; `words` what headings call it, folded and without its thing's name."""

    entity: Entity
    field: str
    label: str | Promise
    kind: Kind
    words: frozenset[str]
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`deal.value`, `contact.custom_fields.size`: unlike any other's."""
        return f"{self.entity}.{self.field}"

    @property
    def takes_several(self) -> bool:
        """Whether several columns may become it together."""
        return self.kind in (Kind.NAMES, Kind.EMAILS, Kind.PHONES, Kind.CHOICES)


# What a file of one thing may also tell of: the deals' people, the contacts' companies.
PARTS = {
    Entity.DEAL: (Entity.DEAL, Entity.CONTACT, Entity.COMPANY),
    Entity.CONTACT: (Entity.CONTACT, Entity.COMPANY),
    Entity.COMPANY: (Entity.COMPANY,),
}

_THINGS = {
    Entity.DEAL: ("deal", "opportunity", "negocio", "oportunidade"),
    Entity.CONTACT: ("contact", "person", "lead", "contato", "pessoa", "cliente"),
    Entity.COMPANY: ("company", "organization", "organisation", "account", "empresa", "organizacao", "conta"),
}
_NEEDLESS = {"a", "o", "as", "os", "da", "do", "das", "dos", "de", "of", "the"}


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(","))


_EXTERNAL = "external id, id externo, externalid, codigo, code, reference, referencia"

_OWN: tuple[Target, ...] = (
    Target(Entity.DEAL, "title", _("Title"), Kind.TEXT, _words(", title, titulo, name, nome, assunto")),
    Target(
        Entity.DEAL,
        "value",
        _("Value"),
        Kind.MONEY,
        _words("value, amount, valor, preco, price, total, valor total"),
    ),
    Target(Entity.DEAL, "currency", _("Currency"), Kind.TEXT, _words("currency, moeda")),
    Target(Entity.DEAL, "pipeline", _("Pipeline"), Kind.PIPELINE, _words("pipeline, funil, board, quadro")),
    Target(Entity.DEAL, "stage", _("Stage"), Kind.STAGE, _words("stage, etapa, fase, estagio, coluna")),
    Target(Entity.DEAL, "status", _("Status"), Kind.STATUS, _words("status, situacao, estado, state")),
    Target(
        Entity.DEAL,
        "owner",
        _("Owner (e-mail)"),
        Kind.OWNER,
        _words("owner, owner e mail, owner email, responsavel, dono, vendedor, proprietario, user, usuario"),
    ),
    Target(Entity.DEAL, "source", _("Source"), Kind.SOURCE, _words("source, origem, fonte, canal, channel")),
    Target(
        Entity.DEAL, "tags", _("Tags"), Kind.NAMES, _words("tags, tag, labels, label, etiquetas, etiqueta")
    ),
    Target(
        Entity.DEAL,
        "expected_close_on",
        _("Expected close"),
        Kind.DATE,
        _words(
            "expected close, expected close date, close date, expected close on, previsao, fechamento,"
            " fechamento previsto, previsao fechamento, data prevista, data fechamento"
        ),
    ),
    Target(
        Entity.DEAL,
        "closed_on",
        _("Closed on"),
        Kind.DATE,
        _words("closed on, closed, won on, fechado em, ganho em, perdido em, data ganho"),
    ),
    Target(
        Entity.DEAL,
        "lost_reason",
        _("Lost reason"),
        Kind.LOST_REASON,
        _words("lost reason, motivo perda, motivo"),
    ),
    Target(Entity.DEAL, "external_id", _("External id"), Kind.EXTERNAL_ID, _words(_EXTERNAL)),
    Target(Entity.DEAL, "id", _("Id in Stagehook"), Kind.ID, _words("id")),
    Target(
        Entity.CONTACT,
        "name",
        _("Name"),
        Kind.TEXT,
        _words(", name, nome, full name, nome completo, razao social"),
    ),
    Target(
        Entity.CONTACT,
        "emails",
        _("E-mails"),
        Kind.EMAILS,
        _words("email, e mail, emails, e mails, mail, email address, correio eletronico"),
    ),
    Target(
        Entity.CONTACT,
        "phones",
        _("Phones"),
        Kind.PHONES,
        _words("phone, phones, telefone, telefones, fone, celular, mobile, whatsapp, tel, phone number"),
    ),
    Target(Entity.CONTACT, "tax_id", _("Tax id"), Kind.TAX_ID, _words("tax id, cpf, cpf cnpj, documento")),
    Target(
        Entity.CONTACT, "job_title", _("Job title"), Kind.TEXT, _words("job title, job, role, cargo, funcao")
    ),
    Target(
        Entity.CONTACT, "tags", _("Tags"), Kind.NAMES, _words("tags, tag, labels, label, etiquetas, etiqueta")
    ),
    Target(Entity.CONTACT, "external_id", _("External id"), Kind.EXTERNAL_ID, _words(_EXTERNAL)),
    Target(Entity.CONTACT, "id", _("Id in Stagehook"), Kind.ID, _words("id")),
    Target(
        Entity.COMPANY,
        "name",
        _("Name"),
        Kind.TEXT,
        _words(", name, nome, razao social, nome fantasia, company name"),
    ),
    Target(
        Entity.COMPANY,
        "domain",
        _("Domain"),
        Kind.DOMAIN,
        _words("domain, dominio, website, site, web site, url"),
    ),
    Target(
        Entity.COMPANY, "tax_id", _("Tax id"), Kind.TAX_ID, _words("tax id, cnpj, vat, cpf cnpj, documento")
    ),
    Target(Entity.COMPANY, "external_id", _("External id"), Kind.EXTERNAL_ID, _words(_EXTERNAL)),
    Target(Entity.COMPANY, "id", _("Id in Stagehook"), Kind.ID, _words("id")),
)


def targets_of(entity: Entity) -> list[Target]:
    """All that a column of such a file may become, fields added by the organisation included."""
    added = CustomField.objects.filter(entity__in=PARTS[entity])
    return [
        target
        for part in PARTS[entity]
        for target in (
            *(own for own in _OWN if own.entity == part),
            *(_added(field) for field in added if field.entity == part),
        )
    ]


def _added(field: CustomField) -> Target:
    known = next((kind for kind in Kind if kind == field.type), Kind.TEXT)
    return Target(
        entity=Entity(field.entity),
        field=f"custom_fields.{field.key}",
        label=field.label,
        kind=known,
        words=frozenset({_plain(field.label), _plain(field.key)}),
        options=tuple(map(str, field.options)),
    )


def guess_mapping(heads: Sequence[str], targets: Sequence[Target]) -> list[str]:
    """A target's name for each heading, "" where none comes to mind. No target comes twice that takes one column."""
    taken: set[str] = set()
    guesses = []
    for head in heads:
        found = _guess(head, [target for target in targets if target.name not in taken])
        guesses.append(found.name if found else "")
        if found and not found.takes_several:
            taken.add(found.name)
    return guesses


def _guess(head: str, targets: Sequence[Target]) -> Target | None:
    plain = _plain(head)
    if not plain:
        return None
    for entity, rest in _readings(plain):
        fitting = (target for target in targets if target.entity == entity and rest in target.words)
        if found := next(fitting, None):
            return found
    return next((target for target in targets if plain in target.words), None)


def _readings(plain: str) -> Iterable[tuple[Entity, str]]:
    """The things that the heading begins or ends with, and what is left of it."""
    words = plain.split()
    for entity, names in _THINGS.items():
        if words[0] in names:
            yield entity, " ".join(words[1:])
        if words[-1] in names:
            yield entity, " ".join(words[:-1])


def _plain(text: str) -> str:
    """Lower case, without accents, signs, digits at the end ("E-mail 2") and needless words."""
    words = re.sub(r"[^a-z0-9]+", " ", fold(text)).split()
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return " ".join(word for word in words if word not in _NEEDLESS) or " ".join(words)
