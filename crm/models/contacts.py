"""People and companies we sell to. E-mails are kept in lower case, phones as E.164, tax ids as digits."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Concat, Left
from django.utils.translation import gettext_lazy as _

from crm.folding import Folded, words_of
from crm.trigrams import PENDING

CNPJ_ROOT = 8  # digits
_SPACE, _TEXT = models.Value(" "), models.TextField()


class Company(models.Model):
    """An organisation, known by its tax id where it has one."""

    name = models.CharField(_("name"), max_length=160)
    domain = models.CharField(_("domain"), max_length=253, blank=True)
    tax_id = models.CharField(_("tax id"), max_length=20, blank=True)
    custom_fields = models.JSONField(_("custom fields"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    duplicates_sought_at = models.DateTimeField(null=True, editable=False)  # None: changed since
    words = words_of(Concat("name", _SPACE, "domain", _SPACE, "tax_id", output_field=_TEXT))

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tax_id"],
                condition=~models.Q(tax_id=""),
                name="a_tax_id_belongs_to_one_company",
                violation_error_message=_("Another company has this tax id."),
            )
        ]
        indexes: ClassVar = [
            # An inbound request finds a company by its domain, or by its name where there is nothing better.
            models.Index(fields=["domain"], name="company_by_domain"),
            models.Index(fields=["name"], name="company_by_name"),
            # Search, and the filter of deals on text: pieces of the name, the domain and the tax id.
            GinIndex(
                fields=["words"],
                opclasses=["gin_trgm_ops"],
                gin_pending_list_limit=PENDING,
                name="company_by_words",
            ),
            # Duplicates: names that are spelled alike.
            GinIndex(
                OpClass(Folded("name"), name="gin_trgm_ops"),
                gin_pending_list_limit=PENDING,
                name="company_by_likeness",
            ),
            # Duplicates that share the first eight digits of a CNPJ, which are the firm's; the rest is the branch's.
            models.Index(
                Left("tax_id", CNPJ_ROOT), condition=~models.Q(tax_id=""), name="company_by_cnpj_root"
            ),
            # What has changed since it was last compared with the others.
            models.Index(
                fields=["id"],
                condition=models.Q(duplicates_sought_at__isnull=True),
                name="company_to_compare",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/companies/{self.pk}/"


class Contact(models.Model):
    """A person, reachable under several addresses and numbers."""

    name = models.CharField(_("name"), max_length=160)
    emails = ArrayField(models.EmailField(), verbose_name=_("e-mails"), default=list, blank=True)
    phones = ArrayField(models.CharField(max_length=20), verbose_name=_("phones"), default=list, blank=True)
    tax_id = models.CharField(_("tax id"), max_length=20, blank=True)
    company = models.ForeignKey(
        Company, models.SET_NULL, null=True, blank=True, related_name="contacts", verbose_name=_("company")
    )
    job_title = models.CharField(_("job title"), max_length=120, blank=True)
    tags = models.ManyToManyField("crm.Tag", blank=True, related_name="contacts", verbose_name=_("tags"))
    custom_fields = models.JSONField(_("custom fields"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    erased_at = models.DateTimeField(null=True, editable=False)
    duplicates_sought_at = models.DateTimeField(null=True, editable=False)  # None: changed since
    # The name, and the first of the e-mails and of the phones.
    words = words_of(
        Concat("name", _SPACE, models.F("emails__0"), _SPACE, models.F("phones__0"), output_field=_TEXT)
    )

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tax_id"], condition=~models.Q(tax_id=""), name="a_tax_id_belongs_to_one_contact"
            )
        ]
        indexes: ClassVar = [
            # Inbound matching, and `?email=` and `?phone=` of the API: emails @> ARRAY[…].
            GinIndex(fields=["emails"], gin_pending_list_limit=PENDING, name="contact_by_email"),
            GinIndex(fields=["phones"], gin_pending_list_limit=PENDING, name="contact_by_phone"),
            # Search, and the filter of deals on text: pieces of the name, the first e-mail and the first phone.
            GinIndex(
                fields=["words"],
                opclasses=["gin_trgm_ops"],
                gin_pending_list_limit=PENDING,
                name="contact_by_words",
            ),
            # Duplicates: names that are spelled alike.
            GinIndex(
                OpClass(Folded("name"), name="gin_trgm_ops"),
                gin_pending_list_limit=PENDING,
                name="contact_by_likeness",
            ),
            # The list of contacts, page by page.
            models.Index(fields=["name", "id"], name="contact_by_name"),
            # What has changed since it was last compared with the others.
            models.Index(
                fields=["id"],
                condition=models.Q(duplicates_sought_at__isnull=True),
                name="contact_to_compare",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/contacts/{self.pk}/"
