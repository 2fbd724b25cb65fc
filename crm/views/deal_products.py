"""The products on a deal's page: a dialog for each line, and whether the deal's value follows them."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from crm.actors import Actor
from crm.deals import DealError
from crm.ids import read_id
from crm.models import DealLine, Period, Product
from crm.products import StaleLine, delete_line, follow_products, write_line
from crm.views.access import PageRequest
from crm.views.deal import visible_deal
from crm.views.fields import MoneyField, NumberField


class LineForm(forms.Form):
    """One line; `product` only fills in the rest, which may then be changed."""

    product = forms.ModelChoiceField(
        Product.objects.none(),
        label=gettext_lazy("Product"),
        required=False,
        empty_label=gettext_lazy("Not in the catalogue"),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=160)
    quantity = NumberField(label=gettext_lazy("Quantity"))
    unit_price = MoneyField(label=gettext_lazy("Unit price"))
    period = forms.ChoiceField(label=gettext_lazy("Paid"), choices=Period, required=False)
    discount = NumberField(label=gettext_lazy("Discount (%)"), required=False)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, line: DealLine, data: Any = None) -> None:
        super().__init__(data, initial=_shown(line), auto_id="line-%s")
        offered = Product.objects.filter(Q(archived=False) | Q(pk=line.product_id))
        self.fields["product"].queryset = offered  # type: ignore[attr-defined]  # a field of models

    def filled(self) -> dict[str, Any]:
        """What `crm.products.write_line` takes."""
        filled = dict(self.cleaned_data)
        return {**filled, "discount": filled["discount"] or 0}


def _shown(line: DealLine) -> dict[str, Any]:
    names = ("product", "name", "quantity", "unit_price", "period", "discount", "version")
    return {name: getattr(line, name) for name in names}


@login_required
@require_http_methods(["GET", "POST"])
def line(request: PageRequest, deal_id: int, line_id: int | None = None) -> HttpResponse:
    """The form of a line, on GET filled in from `?product=`; on POST it is saved, 422 and 409 bring the form back."""
    deal = visible_deal(request, deal_id)
    found = get_object_or_404(deal.lines, pk=line_id) if line_id else DealLine(deal=deal, version=0)
    if request.method == "GET":
        _fill_in(found, request.GET.get("product", ""))
        return _form(request, found, LineForm(found))
    form = LineForm(found, request.POST)
    if not form.is_valid():
        return _form(request, found, form, status=422)
    fields = form.filled()
    version = fields.pop("version")
    try:
        write_line(
            deal_id=deal.pk,
            line_id=line_id,
            version=version if line_id else None,
            fields=fields,
            actor=Actor.user(request.user),
        )
    except StaleLine as stale:
        fresh = LineForm(stale.line)
        return _form(request, stale.line, fresh, status=409, problem=str(stale))
    except DealLine.DoesNotExist as error:
        raise Http404 from error
    except DealError as error:
        form.add_error(None, str(error))
        return _form(request, found, form, status=422)
    return done([deal.pk], _("“%(name)s” saved") % {"name": fields["name"]})


def _fill_in(line: DealLine, product_id: str) -> None:
    """Take over what the catalogue says of a product; its price where it is in the deal's currency."""
    product = Product.objects.filter(pk=read_id(product_id) or 0).first()
    if product is None:
        return
    line.product, line.name, line.period = product, product.name, product.period
    if product.currency == line.deal.currency:
        line.unit_price = product.unit_price


def _form(
    request: PageRequest, line: DealLine, form: LineForm, *, status: int = 200, problem: str = ""
) -> HttpResponse:
    context = {"deal": line.deal, "line": line, "form": form, "problem": problem}
    return render(request, "crm/_deal_line_form.html", context, status=status)


@login_required
@require_POST
def remove_line(request: PageRequest, deal_id: int, line_id: int) -> HttpResponse:
    deal = visible_deal(request, deal_id)
    name = get_object_or_404(deal.lines, pk=line_id).name
    try:
        delete_line(deal_id=deal.pk, line_id=line_id, actor=Actor.user(request.user))
    except DealLine.DoesNotExist as error:
        raise Http404 from error
    return done([deal.pk], _("“%(name)s” removed") % {"name": name})


@login_required
@require_POST
def follow(request: PageRequest, deal_id: int) -> HttpResponse:
    """Let the value follow the products (`follows`), or not; where they come to too much, say so."""
    deal = visible_deal(request, deal_id)
    try:
        follow_products(deal_id=deal.pk, follows="follows" in request.POST, actor=Actor.user(request.user))
    except DealError as error:
        messages.error(request, str(error))
    return redirect(deal)


def done(deal_ids: Sequence[int | None], message: str) -> HttpResponse:
    """Tell the page that what its dialog asked for has been done, as `crm.views.bulk` does."""
    event = {"deals": deal_ids, "message": message, "undo": False, "refused": 0}
    return trigger_client_event(HttpResponse(), "board-done", event)
