"""The addresses below /settings/."""

from django.urls import URLPattern, path

from crm.views.settings import custom_fields, own, pipelines, security, tokens, users, vocabularies

urlpatterns: list[URLPattern] = [
    path("", own.index, name="settings"),
    path("profile/", own.profile, name="profile"),
    path("telephone/", own.telephone, name="telephone"),
    path("notices/", own.notice_mails, name="notice-mails"),
    path("security/", security.security, name="security"),
    path("security/two-step/", security.switch_on, name="two-step"),
    path("security/two-step/off/", security.weaken, {"what": "off"}, name="two-step-off"),
    path("security/two-step/codes/", security.weaken, {"what": "codes"}, name="two-step-codes"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", tokens.revoke_token, name="revoke-token"),
    path("pipelines/", pipelines.pipelines, name="pipelines"),
    path("pipelines/new/", pipelines.pipeline, name="new-pipeline"),
    path("pipelines/order/", pipelines.order, name="order-pipelines"),
    path("pipelines/<int:pipeline_id>/", pipelines.pipeline, name="pipeline"),
    path("pipelines/<int:pipeline_id>/order/", pipelines.order, name="order-stages"),
    path("pipelines/<int:pipeline_id>/stages/new/", pipelines.stage, name="new-stage"),
    path("pipelines/stages/<int:stage_id>/", pipelines.stage, name="stage"),
    path("pipelines/stages/<int:stage_id>/end/", pipelines.end_stage, name="end-stage"),
    path("custom-fields/", custom_fields.custom_fields, name="custom-fields"),
    path("custom-fields/new/", custom_fields.custom_field, name="new-custom-field"),
    path("custom-fields/<int:field_id>/", custom_fields.custom_field, name="custom-field"),
    path("custom-fields/<int:field_id>/end/", custom_fields.end_custom_field, name="end-custom-field"),
    path("users/", users.users, name="users"),
    path("users/<int:user_id>/", users.user, name="user"),
    path("users/<int:user_id>/two-step/reset/", users.reset_two_step, name="reset-two-step"),
    path("invitations/", users.invitations, name="invitations"),
    path("invitations/<int:invitation_id>/resend/", users.resend_invitation, name="resend-invitation"),
    path("invitations/<int:invitation_id>/revoke/", users.revoke_invitation, name="revoke-invitation"),
]

for _slug in vocabularies.VOCABULARIES:
    _which = {"slug": _slug}
    urlpatterns += [
        path(f"{_slug}/", vocabularies.words, _which, name=_slug),
        path(f"{_slug}/new/", vocabularies.word, _which, name=f"{_slug}-new"),
        path(f"{_slug}/<int:word_id>/", vocabularies.word, _which, name=f"{_slug}-edit"),
        path(f"{_slug}/<int:word_id>/delete/", vocabularies.delete_word, _which, name=f"{_slug}-delete"),
    ]
