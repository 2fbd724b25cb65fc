"""Saved views: the menu that switches between them, and the form that keeps, renames, shares and deletes them."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from crm.ids import read_id
from crm.models import Pipeline, SavedView, User
from crm.saved_views import change_view, create_view, delete_view, first_view, may_change, open_first
from crm.views.access import PageRequest
from crm.views.card_fields import field_names
from crm.views.filters import BOARD_BUT, filters_of


class ViewForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=60)
    shared = forms.BooleanField(label=_("Everybody may open it"), required=False)
    first = forms.BooleanField(label=_("Open it first for me"), required=False)
    again = forms.BooleanField(label=_("Keep the filters, columns and order shown now"), required=False)

    def __init__(self, user: User, view: SavedView | None, data: Any = None) -> None:
        self.view, self.user = view, user
        self.may_change = view is None or may_change(view, user)
        initial = {"name": view.name, "shared": view.shared, "first": _opens(view, user)} if view else {}
        super().__init__(data, initial=initial, auto_id="view-%s")
        if view is None:
            del self.fields["again"]
        if not self.may_change:
            for name in ("name", "shared", "again"):
                del self.fields[name]

    def save(self, shown: SavedView) -> SavedView:
        """Keep what was filled in; `shown` is what the page shows. Raises ValidationError."""
        said = self.cleaned_data
        view = self.view
        if view is None:
            view = create_view(
                owner=self.user,
                name=said["name"],
                shared=said["shared"],
                layout=SavedView.Layout(shown.layout),
                query=shown.query,
                pipeline=shown.pipeline,
                columns=shown.columns,
                sort=shown.sort,
            )
        elif self.may_change:
            shows = shown if said["again"] else None
            change_view(view=view, user=self.user, name=said["name"], shared=said["shared"], shows=shows)
        open_first(view=view, user=self.user, wanted=said["first"])
        return view


def _opens(view: SavedView, user: User) -> bool:
    return view.opens_for.filter(pk=user.pk).exists()


def opening(request: PageRequest, layout: SavedView.Layout) -> HttpResponse | None:
    """Where the person has a view that opens first and the address asks for nothing: the way there."""
    if request.GET:
        return None
    view = first_view(user=request.user, layout=layout)
    return redirect(view.get_absolute_url()) if view else None


def _shown(request: PageRequest) -> SavedView:
    """What the address of this request says about the page it came from, as a view that is not saved."""
    layout, board = request.GET.get("layout", ""), request.GET.get("board", "")
    if layout not in SavedView.Layout:
        raise Http404
    is_board = layout == SavedView.Layout.BOARD
    pipeline = get_object_or_404(Pipeline, pk=read_id(board)) if is_board else None
    asked = [name for name in request.GET.get("columns", "").split(",") if name]
    return SavedView(
        layout=layout,
        pipeline=pipeline,
        query=filters_of(request, but=BOARD_BUT if is_board else ()).query(),
        columns=field_names(request) if is_board else asked[:40],
        sort=request.GET.get("sort", "")[:80],
    )


@login_required
@require_safe
def views(request: PageRequest) -> HttpResponse:
    """The menu of the views of `?layout=`; the rest of the address says what the page shows now."""
    shown, number = _shown(request), request.GET.get("view", "")
    offered = SavedView.objects.offered_to(request.user).filter(layout=shown.layout)
    rows = list(offered.select_related("owner")[:100])
    context = {
        "views": rows,
        "current": next((view for view in rows if str(view.pk) == number), None),
        "asked": f"?{request.GET.urlencode()}",
        "everything": reverse("board", args=[shown.pipeline.pk]) if shown.pipeline else "/deals/",
    }
    return render(request, "crm/_views.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def view(request: PageRequest, view_id: int | None = None) -> HttpResponse:
    """The form of a view, or of a new one; kept, it leads to the view. 422 with what is wrong."""
    offered = SavedView.objects.offered_to(request.user)
    found = get_object_or_404(offered, pk=view_id) if view_id else None
    shown = _shown(request)
    form = ViewForm(request.user, found, request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                return HttpResponseClientRedirect(form.save(shown).get_absolute_url())
        except ValidationError as error:
            form.add_error(None, error)
        status = 422
    context = {"form": form, "action": request.get_full_path()}
    return render(request, "crm/_view_form.html", context, status=status)


@login_required
@require_POST
def delete(request: PageRequest, view_id: int) -> HttpResponse:
    found = get_object_or_404(SavedView.objects.offered_to(request.user), pk=view_id)
    delete_view(view=found, user=request.user)
    board = reverse("board", args=[found.pipeline_id]) if found.pipeline_id else "/deals/"
    return HttpResponseClientRedirect(f"{board}?view=")
