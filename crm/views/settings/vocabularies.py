"""The simple vocabularies: tags, sources, lost reasons, products and teams.

One list, one form and one question for all of them.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, ProtectedError, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.models import LostReason, Product, Source, Tag, Team
from crm.views.access import PageRequest, admin_required
from crm.views.fields import CurrencyField, MoneyField

Word: TypeAlias = Tag | Source | LostReason | Product | Team


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`used_by` are the relations whose rows are counted; `last_words` says what deleting does to them."""

    slug: str
    model: type[Word]
    title: Promise
    new: Promise
    explained: Promise
    icon: str
    used_by: tuple[str, ...]
    counted: Promise
    last_words: Promise
    fields: tuple[str, ...] = ("name",)

    @property
    def words(self) -> QuerySet[Any]:
        return self.model.objects.order_by("name")

    def uses(self, word_id: int | None = None) -> Counter[int]:
        """How often each word is used, or one of them. A query for each relation: joined, they would multiply."""
        words = self.words if word_id is None else self.words.filter(pk=word_id)
        total: Counter[int] = Counter()
        for name in self.used_by:
            total.update(dict(words.order_by().values_list("pk").annotate(Count(name))))
        return total


VOCABULARIES = {
    vocabulary.slug: vocabulary
    for vocabulary in (
        Vocabulary(
            slug="tags",
            model=Tag,
            title=gettext_lazy("Tags"),
            new=gettext_lazy("New tag"),
            explained=gettext_lazy(
                "Short words on deals and contacts. Everybody may add one while writing it."
            ),
            icon="tag",
            used_by=("deals", "contacts"),
            counted=gettext_lazy("Used"),
            last_words=gettext_lazy("It is taken off the deals and contacts that carry it."),
        ),
        Vocabulary(
            slug="sources",
            model=Source,
            title=gettext_lazy("Sources"),
            new=gettext_lazy("New source"),
            explained=gettext_lazy("Where deals come from: a form, a campaign, a fair."),
            icon="arrow-in",
            used_by=("deals",),
            counted=gettext_lazy("Deals"),
            last_words=gettext_lazy("A source that deals came from cannot be deleted."),
        ),
        Vocabulary(
            slug="lost-reasons",
            model=LostReason,
            title=gettext_lazy("Lost reasons"),
            new=gettext_lazy("New lost reason"),
            explained=gettext_lazy(
                "What people choose from when a deal is lost. An archived one stays on its deals"
                " and is offered no more."
            ),
            icon="lost",
            used_by=("deals",),
            counted=gettext_lazy("Deals"),
            last_words=gettext_lazy("A reason that deals have cannot be deleted; archive it instead."),
            fields=("name", "archived"),
        ),
        Vocabulary(
            slug="products",
            model=Product,
            title=gettext_lazy("Products"),
            new=gettext_lazy("New product"),
            explained=gettext_lazy(
                "What you sell, for people to put on deals. A changed price leaves the deals that have the product"
                " as they are."
            ),
            icon="product",
            used_by=("lines",),
            counted=gettext_lazy("On deals"),
            last_words=gettext_lazy("A product that deals have cannot be deleted; archive it instead."),
            fields=("name", "code", "unit_price", "currency", "period", "archived"),
        ),
        Vocabulary(
            slug="teams",
            model=Team,
            title=gettext_lazy("Teams"),
            new=gettext_lazy("New team"),
            explained=gettext_lazy("Sales reps see the deals of their own team, and no others."),
            icon="companies",
            used_by=("users",),
            counted=gettext_lazy("People"),
            last_words=gettext_lazy("Its people stay, without a team: they see their own deals only."),
        ),
    )
}


class WordForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        others = self._meta.model.objects.exclude(pk=self.instance.pk)
        if others.filter(name__iexact=name).exists():
            raise ValidationError(_("“%(name)s” is there already.") % {"name": name})
        return name


def form_for(vocabulary: Vocabulary) -> "type[forms.ModelForm[Any]]":
    special = {"unit_price": MoneyField, "currency": CurrencyField}
    return forms.modelform_factory(
        vocabulary.model,
        form=WordForm,
        fields=vocabulary.fields,
        field_classes={name: special[name] for name in vocabulary.fields if name in special},
    )


@admin_required
@require_safe
def words(request: PageRequest, slug: str) -> HttpResponse:
    """The list, with how much each word is used."""
    vocabulary = VOCABULARIES[slug]
    uses = vocabulary.uses()
    rows = [(word, uses[word.pk]) for word in vocabulary.words]
    return render(request, "crm/settings/words.html", {"vocabulary": vocabulary, "rows": rows})


@admin_required
@require_http_methods(["GET", "POST"])
def word(request: PageRequest, slug: str, word_id: int | None = None) -> HttpResponse:
    """Makes a word or changes one."""
    vocabulary = VOCABULARIES[slug]
    found = get_object_or_404(vocabulary.words, pk=word_id) if word_id else None
    uses = vocabulary.uses(word_id)[found.pk] if found else 0
    name = str(found or "")  # before the form writes into it
    form = form_for(vocabulary)(request.POST or None, instance=found)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect(vocabulary.slug)
    context = {"vocabulary": vocabulary, "form": form, "word": found, "name": name, "uses": uses}
    return render(request, "crm/settings/word.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_POST
def delete_word(request: PageRequest, slug: str, word_id: int) -> HttpResponse:
    vocabulary = VOCABULARIES[slug]
    found = get_object_or_404(vocabulary.words, pk=word_id)
    try:
        with transaction.atomic():
            found.delete()
    except ProtectedError:
        messages.error(request, str(vocabulary.last_words))
        return redirect(f"{slug}-edit", word_id)
    messages.success(request, _("“%(name)s” was deleted.") % {"name": found})
    return redirect(slug)
