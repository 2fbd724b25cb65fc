"""The CRM's pages."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path

from crm.live import live
from crm.views import (
    board,
    bulk,
    calls,
    cards,
    deal,
    entering,
    lists,
    notices,
    people,
    session,
    subscriptions,
    telephone,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", session.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", session.set_language, name="language"),
    path("", board.board, name="home"),
    path("live/", live, name="live"),
    path("pipelines/<int:pipeline_id>/", board.board, name="board"),
    path("pipelines/<int:pipeline_id>/columns/", board.whole_columns, name="board-columns"),
    path("pipelines/<int:pipeline_id>/touched/", board.touched, name="board-touched"),
    path("pipelines/<int:pipeline_id>/bulk/<str:verb>/", bulk.bulk, name="bulk"),
    path("pipelines/<int:pipeline_id>/undo/", bulk.undo, name="board-undo"),
    path("stages/<int:stage_id>/deals/", bulk.deals_of_stage, name="stage-deals"),
    path("stages/<int:stage_id>/cards/", board.more_cards, name="stage-cards"),
    path("stages/<int:stage_id>/new/", cards.quick_create, name="quick-create"),
    path("deals/<int:deal_id>/move/", cards.move, name="move-deal"),
    path("deals/<int:deal_id>/enter/<int:stage_id>/", entering.enter, name="enter-stage"),
    path("deals/<int:deal_id>/", deal.deal, name="deal"),
    path("deals/<int:deal_id>/fields/<str:name>/", deal.edit_field, name="deal-field"),
    path("deals/<int:deal_id>/actions/", deal.actions, name="deal-actions"),
    path("deals/<int:deal_id>/win/", deal.win, name="win-deal"),
    path("deals/<int:deal_id>/lose/", deal.lose, name="lose-deal"),
    path("deals/<int:deal_id>/reopen/", deal.reopen, name="reopen-deal"),
    path("deals/<int:deal_id>/notes/", deal.write_note, name="deal-note"),
    path("calls/<int:call_id>/recording/", calls.recording, name="recording"),
    path("calls/<int:call_id>/recording/retry/", calls.retry_recording, name="retry-recording"),
    path("settings/telephone/", telephone.telephone, name="telephone"),
    path("deals/", lists.deals, name="deals"),
    path("contacts/", lists.contacts, name="contacts"),
    path("contacts/<int:contact_id>/", people.contact, name="contact"),
    path("companies/<int:company_id>/", people.company, name="company"),
    path("companies/", lists.companies, name="companies"),
    path("subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path("notices/", notices.notices, name="notices"),
    path("notices/read/", notices.read_all, name="read-notices"),
    path("notices/<int:notice_id>/", notices.notice, name="notice"),
    path("companies/names/", cards.company_names, name="company-names"),
]
