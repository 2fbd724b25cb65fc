"""Pipelines and their stages: names, order, what a stage asks for, and where its deals go when it ends."""

from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import formats
from crm.actors import Actor
from crm.ids import read_ids
from crm.models import Deal, Pipeline, Stage
from crm.refusals import Refused
from crm.stage_forms import StageForm
from crm.stages import delete_stage, ending_of, put_in_order, rehearse_deletion, requirable_fields
from crm.views.access import PageRequest, admin_required
from crm.views.fields import StageField

_OPEN = Count("pk", filter=Q(status=Deal.Status.OPEN))
_OPEN_DEALS = Count("deals", filter=Q(deals__status=Deal.Status.OPEN))


class PipelineForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    class Meta:
        model = Pipeline
        fields: ClassVar = ["name", "archived"]
        labels: ClassVar = {"name": gettext_lazy("Name"), "archived": gettext_lazy("Archived")}
        help_texts: ClassVar = {"archived": gettext_lazy("Offered nowhere; its deals stay as they are.")}


class StageSettingsForm(StageForm):
    """Colours and fields are chosen, not typed."""

    required_fields = forms.MultipleChoiceField(
        label=gettext_lazy("Fields a deal needs to enter"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    hue = forms.TypedChoiceField(
        label=gettext_lazy("Colour"),
        coerce=int,
        choices=[(hue, hue) for hue in range(1, 13)],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["position"]  # given by the order of the list
        self.fields["required_fields"].choices = [*requirable_fields().items()]  # type: ignore[attr-defined]  # a choice field
        for name in ("roles", "teams"):
            field = self.fields[name]
            field.widget = forms.CheckboxSelectMultiple(choices=field.choices)  # type: ignore[attr-defined]  # as above

    def clean_name(self) -> str:
        """Said beside the name; the pipeline is no field of the form, so the model does not look by itself."""
        name, stage = str(self.cleaned_data["name"]), self.instance
        others = Stage.objects.filter(pipeline=stage.pipeline_id, name__iexact=name).exclude(pk=stage.pk)
        if others.exists():
            raise forms.ValidationError(_("“%(name)s” is there already.") % {"name": name})
        return name


class EndForm(forms.Form):
    move_to = StageField(label=gettext_lazy("Where its deals go"), empty=gettext_lazy("Choose a stage"))
    quiet = forms.BooleanField(label=gettext_lazy("Send nothing for these moves"), required=False)
    rules_follow = forms.BooleanField(
        label=gettext_lazy("Its rules act on that stage from then on"), required=False
    )


@admin_required
@require_safe
def pipelines(request: PageRequest) -> HttpResponse:
    rows = Pipeline.objects.annotate(stage_count=Count("stages", distinct=True)).order_by("position", "pk")
    counts = dict(Deal.objects.open().order_by().values_list("pipeline").annotate(Count("pk")))
    context = {"rows": [(pipeline, counts.get(pipeline.pk, 0)) for pipeline in rows]}
    return render(request, "crm/settings/pipelines.html", context)


@admin_required
@require_http_methods(["GET", "POST"])
def pipeline(request: PageRequest, pipeline_id: int | None = None) -> HttpResponse:
    """Makes a pipeline or changes one, whose stages are listed below."""
    found = get_object_or_404(Pipeline, pk=pipeline_id) if pipeline_id else None
    name = str(found or "")  # before the form writes into it
    form = PipelineForm(request.POST or None, instance=found)
    if form.is_valid():
        saved = form.save(commit=False)
        if found is None:
            saved.position = _next_position(Pipeline.objects.all())
        saved.save()
        messages.success(request, _("Saved."))
        return redirect("pipeline", saved.pk)
    stages = found.stages.annotate(open_deals=_OPEN_DEALS).order_by("position", "pk") if found else ()
    context = {"form": form, "pipeline": found, "name": name, "stages": stages}
    return render(request, "crm/settings/pipeline.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_http_methods(["GET", "POST"])
def stage(request: PageRequest, pipeline_id: int | None = None, stage_id: int | None = None) -> HttpResponse:
    """Makes a stage of a pipeline, at its end, or changes one."""
    if stage_id:
        found = get_object_or_404(Stage.objects.select_related("pipeline"), pk=stage_id)
    else:
        of = get_object_or_404(Pipeline, pk=pipeline_id)
        position = _next_position(of.stages.all())
        found = Stage(pipeline=of, position=position, hue=position % 12 + 1)
    name = found.name  # before the form writes into it
    form = StageSettingsForm(request.POST or None, instance=found)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("pipeline", found.pipeline_id)
    context = {"form": form, "stage": found, "name": name}
    return render(request, "crm/settings/stage.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_POST
def order(request: PageRequest, pipeline_id: int | None = None) -> HttpResponse:
    """Puts pipelines, or the stages of one, in the order of the ids that are sent."""
    ids = read_ids(request.POST.getlist("id"))
    if pipeline_id is None:
        put_in_order(Pipeline.objects.all(), ids=ids)
    else:
        put_in_order(get_object_or_404(Pipeline, pk=pipeline_id).stages.all(), ids=ids)
    return HttpResponse(status=204)


@admin_required
@require_http_methods(["GET", "POST"])
def end_stage(request: PageRequest, stage_id: int) -> HttpResponse:
    """Asks where deals and rules go and says what follows from it; `confirmed` does it."""
    found = get_object_or_404(Stage.objects.select_related("pipeline"), pk=stage_id)
    form = EndForm(request.POST or None)
    form.fields["move_to"].queryset = form.fields["move_to"].queryset.exclude(pk=stage_id)  # type: ignore[attr-defined]  # a model choice field
    counts = found.deals.aggregate(open=_OPEN, all=Count("pk"))
    context: dict[str, Any] = {"stage": found, "form": form, "counts": counts, "ending": ending_of(found)}
    if form.is_valid():
        said, pipeline_id = form.cleaned_data, found.pipeline_id
        actor = replace(Actor.user(request.user), quiet=said["quiet"])
        do = delete_stage if "confirmed" in request.POST else rehearse_deletion
        try:
            deletion = do(
                stage=found, move_to=said["move_to"], actor=actor, rules_follow=said["rules_follow"]
            )
            if do is delete_stage:
                told = {"name": found.name, "n": formats.number(deletion.moved)}
                messages.success(request, _("“%(name)s” is gone. Deals moved: %(n)s.") % told)
                return redirect("pipeline", pipeline_id)
            context["deletion"] = deletion
        except Refused as refused:
            form.add_error(None, str(refused))
    return render(request, "crm/settings/end_stage.html", context, status=422 if form.errors else 200)


def _next_position(rows: QuerySet[Pipeline] | QuerySet[Stage]) -> int:
    last = rows.aggregate(last=Max("position"))["last"]
    return 0 if last is None else int(last) + 1
