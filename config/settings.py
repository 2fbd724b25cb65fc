"""Every setting, top to bottom. What differs between machines comes from the environment (see env.py)."""

import os
import socket
import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

import config
from config.embedded.server import socket_directory
from config.env import Env, is_fernet_key, is_unsafe_secret, read_variables

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / ".data").expanduser().resolve()
env = Env(read_variables(os.environ, directory=DATA_DIR))

# ---- This installation ----

VERSION = config.VERSION
DEBUG = env.flag("DEBUG")
HOST = env.text("HOST", default="127.0.0.1")
PORT = env.integer("PORT", default=8000)
DEMO_ERP_PORT = env.integer("DEMO_ERP_PORT", default=PORT + 1)
PUBLIC_URL = env.text("PUBLIC_URL", default=f"http://localhost:{PORT}").rstrip("/")
SILENT_MODE = env.flag("SILENT_MODE")
ANSWER_WITHIN_MS = env.integer("ANSWER_WITHIN_MS", default=90)
KEEP_BODIES_DAYS = env.integer("KEEP_BODIES_DAYS", default=30)
KEEP_DELIVERIES_DAYS = env.integer("KEEP_DELIVERIES_DAYS", default=180)
RENEWAL_NOTICE_DAYS = env.integer("RENEWAL_NOTICE_DAYS", default=30)
MAX_RECORDING_BYTES = env.integer("MAX_RECORDING_MB", default=100) * 1024 * 1024
ALLOWED_PRIVATE_NETWORKS = env.networks("ALLOWED_PRIVATE_NETWORKS")
_https = urlsplit(PUBLIC_URL).scheme == "https"
ALLOW_HTTP = env.flag("ALLOW_HTTP", default=not _https)  # destinations without encryption
OUTGOING_PROXY = env.proxy("OUTGOING_PROXY")
METRICS_ALLOWED_NETWORKS = env.networks("METRICS_ALLOWED_NETWORKS", default="127.0.0.0/8,::1/128")

# ---- Secrets: fixed ones will do for DEBUG, production brings its own ----

SECRET_KEY = env.text("SECRET_KEY")
ENCRYPTION_KEYS = env.items("ENCRYPTION_KEYS")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS")
DEBUG_SECRET_KEY = "development-only-" * 4
DEBUG_ENCRYPTION_KEY = "ZGV2ZWxvcG1lbnQtb25seS1kZXZlbG9wbWVudC1vbmw="

if DEBUG:
    SECRET_KEY = SECRET_KEY or DEBUG_SECRET_KEY
    ENCRYPTION_KEYS = ENCRYPTION_KEYS or [DEBUG_ENCRYPTION_KEY]
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
else:
    if not SECRET_KEY:
        env.problem("SECRET_KEY is missing")
    elif SECRET_KEY == DEBUG_SECRET_KEY or is_unsafe_secret(SECRET_KEY):
        env.problem("SECRET_KEY is unsafe: use 50 random characters")
    if DEBUG_ENCRYPTION_KEY in ENCRYPTION_KEYS:
        env.problem("ENCRYPTION_KEYS is unsafe: it holds the key of DEBUG, which everybody knows")
    if not ALLOWED_HOSTS:
        env.problem("ALLOWED_HOSTS is missing")
    elif "*" in ALLOWED_HOSTS:
        env.problem("ALLOWED_HOSTS is unsafe: '*' lets a stranger choose the host in links we write")
if not ENCRYPTION_KEYS:
    env.problem("ENCRYPTION_KEYS is missing")
elif not all(map(is_fernet_key, ENCRYPTION_KEYS)):
    env.problem("ENCRYPTION_KEYS must be Fernet keys: url-safe base64 of 32 bytes each")

# ---- What is served over HTTPS stays there ----

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _https
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # asked from inside, by address and without TLS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# ---- Apps and requests ----

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "config",
    "crm",
    "automations",
    "webhooks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "config.static.StaticFilesConfig",
    "django_q",
    "django_htmx",
    "template_partials",
    "csp",
    "rest_framework",
    "django_filters",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.static.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
    "crm.middleware.NoNulMiddleware",
    "crm.middleware.ActorMiddleware",
    "crm.middleware.UserLocaleMiddleware",
    "crm.middleware.VanishedMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# ---- People ----

AUTH_USER_MODEL = "crm.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"

LANGUAGES = [("en", _("English")), ("pt-br", _("Portuguese (Brazil)"))]
LANGUAGE_CODE = env.choice("LANGUAGE_CODE", dict(LANGUAGES), default="en")
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
TIME_ZONE = env.choice("TIME_ZONE", zoneinfo.available_timezones(), default="UTC")
USE_TZ = True

# ---- Database ----

_database: dict[str, Any]
if _url := env.text("DATABASE_URL"):
    if urlsplit(_url).scheme not in {"postgres", "postgresql"}:
        env.problem("DATABASE_URL must begin with postgresql://")
        _url = "postgresql:///"
    _database = dict(dj_database_url.parse(_url))
else:
    _database = {
        "ENGINE": "config.embedded",
        "HOST": str(socket_directory(DATA_DIR / "postgres")),
        "NAME": "postgres",
        "USER": "postgres",
    }
_database["CONN_HEALTH_CHECKS"] = True
# A server that is cut off by the network says nothing, and without limits a process waits for it for a quarter of an
# hour or for ever, with its locks and leases. Over a socket file all but the first have no meaning and do no harm.
_patience = {
    "connect_timeout": 10,  # seconds for a connection to be made
    "keepalives_idle": 30,  # seconds without a word, after which the other side is asked whether it is there,
    "keepalives_interval": 10,  # then every so many seconds,
    "keepalives_count": 3,  # and given up after so many silent ones: a lost server is noticed within a minute
    "tcp_user_timeout": 30_000,  # milliseconds that what was sent may stay unacknowledged
}
_database["OPTIONS"] = {**_patience, **_database.get("OPTIONS", {})}  # what DATABASE_URL says goes first
if _pool_size := env.integer("DATABASE_POOL", default=0):
    # A pool keeps the connections itself, which Django then must not (CONN_MAX_AGE stays 0).
    _pool = {"min_size": 1, "max_size": _pool_size, "timeout": 30}
    _database["OPTIONS"]["pool"] = _pool
else:
    # Above 0 because django-q2 looks for tasks 5 times a second, each time with old connections closed first.
    _database["CONN_MAX_AGE"] = 600
DATABASES = {"default": _database}

# ---- Background tasks: they only wake the drain, the tables hold the truth ----

REDIS_URL = env.text("REDIS_URL")

# What a worker calls itself where it says that it is alive; the watch gives each a name of its own.
WORKER_NAME = env.text("WORKER_NAME", default=socket.gethostname())
# Looked after by the worker's watch every few seconds: whatever was left half done.
SWEEPS = [
    "automations.tasks.work_jobs",
    "automations.tasks.cut",
    "webhooks.tasks.cut",
    "webhooks.tasks.apply_due",
    "automations.tasks.fire_due",
    "automations.tasks.look_after_health",
    "config.insights.tasks.watch",
    "crm.tasks.mail_notices",
    "crm.tasks.cut_notices",
    "crm.tasks.cut_attempts",
    "crm.tasks.sweep_files",
    "crm.tasks.remind_renewals",
    "crm.tasks.compare_changed",
    "crm.tasks.remind_activities",
    "crm.tasks.work_imports",
    "crm.tasks.cut_imports",
    "webhooks.tasks.fetch_recordings",
]

Q_CLUSTER: dict[str, Any] = {
    "name": "stagehook",
    "label": _("Background tasks"),
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
    "workers": 3,
    "timeout": 90,  # without one, a stuck task holds its worker for ever
    "retry": 150,  # counts from dequeue, so well above timeout: else a task that waited runs twice
    "bulk": 1,  # tasks taken in bulk wait on each other, and past `retry` they run twice
    "ack_failures": True,  # a failing task is otherwise repeated for ever
    "max_attempts": 1,  # the next sweep is the second attempt
    "save_limit": -1,  # a row for every success would be the fastest growing table of all
    "poll": 0.2,  # the delay of whatever does not LISTEN
    "catch_up": False,  # after a stop, a schedule runs once and not once per missed turn
    "recycle": 1_000_000,  # a worker replaced in mid-drain costs latency, and none here leaks
}

# ---- Caches, static files, mail ----

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.StaticStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_USE_FINDERS = True  # so that pages have their styles before the first collectstatic too
MEDIA_ROOT = DATA_DIR / "media"
RECORDING_PARTS = DATA_DIR / "recordings"  # what is there of those that are being downloaded

_mail = env.mail("EMAIL_URL")
EMAIL_BACKEND = _mail.backend
EMAIL_HOST = _mail.host
EMAIL_PORT = _mail.port
EMAIL_HOST_USER = _mail.user
EMAIL_HOST_PASSWORD = _mail.password
EMAIL_USE_TLS = _mail.use_tls
EMAIL_USE_SSL = _mail.use_ssl
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _mail.sender

# ---- API ----

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crm.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crm.api.permissions.Everybody"],
    "DEFAULT_PARSER_CLASSES": ["crm.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "crm.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "crm.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

DRF_STANDARDIZED_ERRORS = {"EXCEPTION_HANDLER_CLASS": "crm.api.errors.ApiExceptionHandler"}

SPECTACULAR_SETTINGS = {
    "TITLE": "Stagehook",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.add_webhooks",
    ],
    "ENUM_NAME_OVERRIDES": {  # where several fields of one name have choices of their own
        "DealStatus": "crm.models.Deal.Status",
        "SubscriptionStatus": "crm.models.Subscription.Status",
        "ActivityKind": "crm.models.Activity.Kind",
        "CustomFieldType": "crm.models.CustomField.Type",
        "DeliveryState": "automations.models.Delivery.State",
        "InboundRequestState": "webhooks.models.InboundRequest.State",
        "ReplayJobState": "webhooks.models.ReplayJob.State",
        "ErrorType": ["validation_error", "client_error", "server_error"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# ---- Log: to standard error, where the process manager or the container picks it up ----

LOG_FORMAT = env.choice("LOG_FORMAT", ("text", "json"), default="text")
LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), default="INFO")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "config.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},  # in place of Django's own handlers
        "django-q": {"level": "WARNING"},  # else several lines for every task
    },
}

env.refuse_problems()
