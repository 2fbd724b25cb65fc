"""What a person has been told, in the application and by e-mail."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Notice(models.Model):
    """One message to one person, in that person's language. `mailed_at` is emptied again when the mail was refused."""

    class Mail(models.TextChoices):
        """When it comes by e-mail, as its reader had wished when it was written."""

        NOW = "now", _("At once")
        DIGEST = "digest", _("Once a day, together")
        NEVER = "never", _("Never")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"), blank=True)
    url = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    mail = models.CharField(max_length=6, choices=Mail, default=Mail.NOW)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes: ClassVar = [
            # A person's inbox, and how much of it is unread.
            models.Index(fields=["user", "-id"], name="notice_of_a_person"),
            models.Index(fields=["user"], condition=models.Q(read_at__isnull=True), name="notice_unread"),
            # What is still to be mailed.
            models.Index(
                fields=["id"],
                condition=models.Q(mailed_at__isnull=True) & ~models.Q(mail="never"),
                name="notice_to_mail",
            ),
            # Retention: what was read, oldest first.
            models.Index(
                fields=["created_at"], condition=models.Q(read_at__isnull=False), name="notice_read"
            ),
        ]

    def __str__(self) -> str:
        return self.subject
