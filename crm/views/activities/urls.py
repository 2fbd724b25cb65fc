"""Addresses below /activities/."""

from django.urls import path

from crm.views import exports
from crm.views.activities import changes, lists

urlpatterns = [
    path("", lists.my_day, name="activities"),
    path("overdue/", lists.overdue, name="overdue-activities"),
    path("all/", lists.everything, name="all-activities"),
    path("calendar/", lists.calendar, name="activity-calendar"),
    path("export/", exports.activities, name="export-activities"),
    path("count/", lists.count, name="activity-count"),
    path("about/", changes.about, name="activity-about"),
    path("new/", changes.new, name="new-activity"),
    path("<int:activity_id>/", changes.edit, name="activity"),
    path("<int:activity_id>/done/", changes.done, name="complete-activity"),
    path("<int:activity_id>/reopen/", changes.reopen, name="reopen-activity"),
    path("<int:activity_id>/move/", changes.move, name="move-activity"),
    path("<int:activity_id>/delete/", changes.delete, name="delete-activity"),
]
