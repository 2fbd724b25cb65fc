"""`users/`, `teams/` and `tokens/`. Users are administrators' business, one's own tokens everybody's."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError

from crm.api.permissions import AdminOnly, AdminsWrite
from crm.api.serializers import SecretField, StrictModelSerializer
from crm.api.viewsets import ReadOnlyResource, WritableResource
from crm.models import ApiToken, Team, User
from crm.tokens import create_token
from crm.users import delete_user, update_user


class TeamSerializer(StrictModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ("id", "name")


class TeamViewSet(WritableResource[Team]):
    queryset = Team.objects.all()
    serializer_class = TeamSerializer
    permission_classes = [AdminsWrite]
    search_fields = ("name",)
    ordering = ("name",)
    ordering_fields = ("id", "name")


class UserSerializer(StrictModelSerializer[User]):
    password = SecretField(required=False, validators=[validate_password])

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "name",
            "role",
            "team",
            "language",
            "time_zone",
            "call_url",
            "is_active",
            "password",
        )

    def create(self, validated_data: dict[str, Any]) -> User:
        """Without a password the user cannot log in until one is set."""
        return User.objects.create_user(**validated_data)

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        """Through the door, which keeps the last administrator."""
        return update_user(user_id=instance.pk, fields=validated_data)


class UserViewSet(WritableResource[User]):
    queryset = User.objects.all()
    serializer_class = UserSerializer
    permission_classes = [AdminOnly]
    filterset_fields = ("role", "team", "is_active")
    search_fields = ("name", "email")
    ordering_fields = ("id", "name", "email", "created_at")

    def perform_destroy(self, instance: User) -> None:
        delete_user(user_id=instance.pk)


class TokenSerializer(StrictModelSerializer[ApiToken]):
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices), allow_empty=False)

    class Meta:
        model = ApiToken
        fields = ("id", "owner", "name", "scopes", "expires_at", "created_at", "last_used_at")
        read_only_fields = ("owner", "created_at", "last_used_at")


@extend_schema_serializer(component_name="NewToken")
class NewTokenSerializer(TokenSerializer):
    """A token just made, with its text, which is shown this once."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")  # type: ignore[assignment]  # one longer than the base's

    def validate_scopes(self, scopes: list[str]) -> list[str]:
        """A token cannot make one that may do more than itself."""
        own = self.context["request"].auth
        if isinstance(own, ApiToken) and (beyond := set(scopes) - set(own.scopes)):
            raise ValidationError(_("This token lacks: %s.") % ", ".join(sorted(beyond)))
        return scopes

    def create(self, validated_data: dict[str, Any]) -> ApiToken:
        made, text = create_token(owner=self.context["view"].user, **validated_data)
        made.token = text  # type: ignore[attr-defined]  # for this one answer, never saved
        return made


class TokenViewSet(mixins.CreateModelMixin, mixins.DestroyModelMixin, ReadOnlyResource[ApiToken]):
    """One's own tokens; administrators see and revoke those of others too."""

    queryset = ApiToken.objects.all()
    search_fields = ("name",)
    ordering_fields = ("id", "name", "created_at")

    def get_queryset(self) -> QuerySet[ApiToken]:
        tokens = super().get_queryset()
        return tokens if self.user.is_admin else tokens.filter(owner=self.user)

    def get_serializer_class(self) -> type[TokenSerializer]:
        return NewTokenSerializer if self.action == "create" else TokenSerializer
