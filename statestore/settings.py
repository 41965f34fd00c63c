"""Django's settings; what a deployment changes is read from the environment (README, Settings)."""

from datetime import timedelta
from pathlib import Path

from csp.constants import SELF

from statestore import __version__
from statestore.env import Environment
from statestore.protocol import LOCK_SECONDS, VALUE_MAX_BYTES

BASE_DIR = Path(__file__).resolve().parent.parent
_env = Environment()
VAR_DIR = Path(_env.text("STATESTORE_VAR_DIR", str(BASE_DIR / "var"))).absolute()

# --- Statestore's own ---
STATESTORE_DEFAULT_RETENTION_DAYS = _env.number(
    "STATESTORE_DEFAULT_RETENTION_DAYS",
    30,
    least=0,
    most=36500,
    unit="days (0: entries never expire)",
)
STATESTORE_VALUE_MAX_BYTES = _env.number(
    "STATESTORE_VALUE_MAX_BYTES", VALUE_MAX_BYTES, least=1, most=16 * 1024 * 1024, unit="bytes"
)
STATESTORE_SWEEP_SECONDS = _env.number(
    "STATESTORE_SWEEP_SECONDS", 60, least=1, most=86400, unit="seconds"
)
STATESTORE_STALLED_SECONDS = _env.number(
    "STATESTORE_STALLED_SECONDS", 300, least=60, most=30 * 86400, unit="seconds"
)
STATESTORE_TASK_URL = _env.template(
    "STATESTORE_TASK_URL", fields=("dag_id", "run_id", "task_id", "map_index")
)
STATESTORE_WAITERS = _env.number(
    "STATESTORE_WAITERS", 2, least=0, most=1000, unit="requests that may wait in a process"
)
STATESTORE_RATE_LIMIT = _env.number(
    "STATESTORE_RATE_LIMIT", 0, least=0, most=1_000_000, unit="requests a second and token (0: any)"
)
STATESTORE_LOGIN_LIMIT = _env.number(
    "STATESTORE_LOGIN_LIMIT", 10, least=1, most=10_000, unit="failed log-ins a minute and address"
)
STATESTORE_PROXIES = _env.number(
    "STATESTORE_PROXIES", 0, least=0, most=10, unit="proxies in front of the server"
)
STATESTORE_AUDIT_DAYS = _env.number(
    "STATESTORE_AUDIT_DAYS", 365, least=0, most=36500, unit="days (0: for ever)"
)
STATESTORE_SCAN_SECONDS = _env.number(
    "STATESTORE_SCAN_SECONDS", 30, least=1, most=86400, unit="seconds"
)
STATESTORE_REFUSE_SECRETS = _env.flag("STATESTORE_REFUSE_SECRETS", default=False)
STATESTORE_PUBLIC_URL = _env.address("STATESTORE_PUBLIC_URL")
STATESTORE_WEBHOOK_SECONDS = _env.number(
    "STATESTORE_WEBHOOK_SECONDS", 10, least=1, most=3600, unit="seconds"
)
STATESTORE_WEBHOOK_DAYS = _env.number(
    "STATESTORE_WEBHOOK_DAYS", 30, least=1, most=3650, unit="days"
)
STATESTORE_WEBHOOK_PRIVATE = _env.flag("STATESTORE_WEBHOOK_PRIVATE", default=False)
STATESTORE_WEBHOOK_HTTP = _env.flag("STATESTORE_WEBHOOK_HTTP", default=False)
STATESTORE_TOKEN_CACHE_SECONDS = _env.number(
    "STATESTORE_TOKEN_CACHE_SECONDS", 5, least=0, most=300, unit="seconds"
)
# A pooler in transaction mode shares connections, where prepared statements would get lost.
STATESTORE_PGBOUNCER = _env.flag("STATESTORE_PGBOUNCER", default=False)

# --- Django ---
DEBUG = _env.flag("STATESTORE_DEBUG", default=False)
SECRET_KEY = _env.secret_key("SECRET_KEY", file=VAR_DIR / "secret-key", needed=not DEBUG)
ALLOWED_HOSTS = _env.hosts("STATESTORE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _env.origins("STATESTORE_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "dashboard",
    "statestore",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "csp",
]
MIDDLEWARE = [
    "dashboard.polls.answer_polls",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "statestore.origin.remember_request",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "statestore.urls"
WSGI_APPLICATION = "statestore.wsgi.application"
APPEND_SLASH = False  # a redirect would lose the body of a PUT

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- database ---
_database = _env.database("DATABASE_URL", f"sqlite:///{VAR_DIR}/statestore.sqlite3")
if _database["ENGINE"].endswith("postgresql"):
    _database["CONN_MAX_AGE"] = None
    _database["DISABLE_SERVER_SIDE_CURSORS"] = STATESTORE_PGBOUNCER
    # Bound on the server: measured as a third more writes a second. Only the statements of
    # statestore.sql are prepared, and by themselves: psycopg would drop all of a connection now and
    # then, and give one plan for all parameters to what pages ask.
    # A host that is gone answers nothing, not even that: requests shall hear of it, and not wait for it.
    _patience = {
        "connect_timeout": LOCK_SECONDS,
        "tcp_user_timeout": LOCK_SECONDS * 1000,  # milliseconds, for what was sent
        "keepalives_idle": 2 * LOCK_SECONDS,  # seconds, for what was asked
        "keepalives_interval": LOCK_SECONDS,
        "keepalives_count": 2,
    }
    _database["OPTIONS"] = {
        **_patience,
        **_database.get("OPTIONS", {}),
        "server_side_binding": True,
        "prepare_threshold": None,
    }
    if not STATESTORE_PGBOUNCER:  # which passes no options on
        _theirs = _database["OPTIONS"].get("options", "")
        _database["OPTIONS"]["options"] = (
            f"-c lock_timeout={LOCK_SECONDS}s {_theirs}"
            " -c datestyle=ISO -c bytea_output=hex"  # as statestore.sql.prepared reads them
        )
else:
    # To open a connection takes five times as long as a write; but one that stayed open for ever would
    # write to a file that has been replaced.
    _database["CONN_MAX_AGE"] = 5  # seconds
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a write that began as a read cannot wait for its turn
        "timeout": LOCK_SECONDS,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
        ),
    }
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- people ---
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard:live"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# --- browsers ---
_https = _env.flag("STATESTORE_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
# Redirects to https, subdomains and preload lists are the business of the proxy that ends TLS.
# And SQLite leaves out the columns that an index of PostgreSQL carries along.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021", "models.W040"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    }
}
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "statestore.swagger_ui.SwaggerUI",
]

# --- REST ---
REST_FRAMEWORK = {
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "statestore.api.errors.answer_exception",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "statestore.api.openapi.generator.Described",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Statestore",
    "VERSION": __version__,
    "DESCRIPTION": (
        "State of running tasks, outside the tasks.\n\n**Values are stored unencrypted:** never write"
        " passwords, tokens or personal data into task state."
    ),
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "DEFAULT_GENERATOR_CLASS": "statestore.api.openapi.generator.Generator",
    "POSTPROCESSING_HOOKS": [],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the API refuses by the value's limit, before it reads

# --- Celery ---
CELERY_BROKER_URL = _env.broker("CELERY_BROKER_URL", "filesystem://")
if CELERY_BROKER_URL.startswith("filesystem:"):
    _queue = VAR_DIR / "broker"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = _env.text("STATESTORE_QUEUE", "statestore")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "statestore.tasks.sweep_expired",
        "schedule": timedelta(seconds=STATESTORE_SWEEP_SECONDS),
        # A sweep that waited for longer than this is not run: the next one does its work.
        "options": {"expires": 2 * STATESTORE_SWEEP_SECONDS},
    },
    "scan-secrets": {
        "task": "statestore.tasks.scan_secrets",
        "schedule": timedelta(seconds=STATESTORE_SCAN_SECONDS),
        "options": {"expires": 2 * STATESTORE_SCAN_SECONDS},
    },
    "sweep-samples": {
        "task": "statestore.tasks.sweep_samples",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "sweep-versions": {
        "task": "statestore.tasks.sweep_versions",
        "schedule": timedelta(days=1),
        "options": {"expires": 86400},
    },
    "sweep-audit": {
        "task": "statestore.tasks.sweep_audit",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
    "find-incidents": {
        "task": "statestore.tasks.find_incidents",
        "schedule": timedelta(seconds=STATESTORE_WEBHOOK_SECONDS),
        "options": {"expires": 2 * STATESTORE_WEBHOOK_SECONDS},
    },
    "send-webhooks": {
        "task": "statestore.tasks.send_webhooks",
        "schedule": timedelta(seconds=STATESTORE_WEBHOOK_SECONDS),
        "options": {"expires": 2 * STATESTORE_WEBHOOK_SECONDS},
    },
    "sweep-webhooks": {
        "task": "statestore.tasks.sweep_webhooks",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A refusal is an answer, not an incident: workers ask for keys that are not there yet.
    # Nor is a request for another host: whoever likes could fill the log with them.
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
    "root": {"handlers": ["stderr"], "level": _env.level("STATESTORE_LOG_LEVEL", "INFO")},
}

STATESTORE_PROBLEMS = _env.problems
