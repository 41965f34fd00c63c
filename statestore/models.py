"""Tables, constraints and indexes. Only `services`, `queries` and `admin` touch them.

The hot statement overwrites an entry that exists. On PostgreSQL it stays a HOT update (no index is
written) because no indexed column changes with it: instead of `expires_at` an index holds its hour,
and instead of `updated_at` the task instance has a coarse `active_at`.
"""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

from statestore import webhook_models  # noqa: F401 - Django finds an app's tables through here
from statestore.protocol import (
    ASSET_NAME_MAX,
    AUDIT_REASON_MAX,
    ID_MAX,
    KEY_MAX,
    MAP_INDEX_NONE,
    PROGRESS_KEY,
    Status,
    TaskScope,
)


class CodepointField(models.CharField):  # type: ignore[type-arg]  # generic in its stubs alone
    """Text that sorts by code point on every database, whatever the language of the server."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """The column's type, with the collation that compares bytes."""
        collation = "C" if connection.vendor == "postgresql" else "BINARY"
        return {**super().db_parameters(connection), "collation": collation}


class TaskInstance(models.Model):
    """One unit of work: all its attempts share one set of keys."""

    scope_digest = models.BinaryField(max_length=16, unique=True, editable=False)
    dag_id = CodepointField(max_length=ID_MAX)
    run_id = CodepointField(max_length=ID_MAX)
    task_id = CodepointField(max_length=ID_MAX)
    map_index = models.IntegerField(default=MAP_INDEX_NONE)
    attempt = models.IntegerField(
        default=0, db_default=0, help_text="the newest attempt that has started"
    )
    status = models.CharField(
        max_length=10,
        default=Status.NONE.value,
        db_default=Status.NONE.value,
        blank=True,
        choices=[(status.value, status.value or "none") for status in Status],
        help_text="what its progress last reported",
    )
    active_at = models.DateTimeField(
        db_default=Now(), help_text="last write, at most 30 seconds older than the true one"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Constraints and indexes, each with its reader."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(map_index__gte=-1), name="map_index_is_an_index_or_minus_1"
            ),
            models.CheckConstraint(
                condition=models.Q(attempt__gte=0), name="attempt_never_negative"
            ),
        ]
        indexes = [
            # read by clear (all map indices), by Runs and by filters on dag and run
            models.Index(fields=["dag_id", "run_id"], name="task_instance_by_run"),
            # read by Live: newest first, keyset pages
            models.Index(fields=["-active_at", "-id"], name="task_instance_newest_first"),
            # read by Live's tiles and tabs
            models.Index(fields=["status", "-active_at"], name="task_instance_by_status"),
            # read by filters and searches for the beginning of an id
            models.Index(fields=["run_id"], name="task_instance_by_run_alone"),
            models.Index(fields=["task_id"], name="task_instance_by_task"),
        ]

    def __str__(self) -> str:
        return str(self.scope)

    @property
    def scope(self) -> TaskScope:
        """The four ids."""
        return TaskScope(self.dag_id, self.run_id, self.task_id, self.map_index)


class StoredEntry(models.Model):
    """What the entries of task instances and of assets have in common."""

    key = CodepointField(max_length=KEY_MAX)
    value = models.TextField(help_text="JSON text, exactly as it was sent")
    version = models.BigIntegerField(
        default=1, help_text="counts the writes of this entry; its ETag"
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True, help_text="empty: never")
    expires_hour = models.IntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="expires_at in whole hours since 1970, for the sweep",
    )
    writer = models.CharField(
        max_length=200, default="", blank=True, help_text="token or user that wrote last"
    )
    writer_task = models.TextField(  # noqa: DJ001 - null takes no room in the row
        null=True,
        blank=True,
        help_text="the task instance that wrote last with its own token, as JSON",
    )
    attempt = models.IntegerField(
        null=True, blank=True, help_text="attempt that wrote last, where it said so"
    )
    session = models.CharField(  # noqa: DJ001 - null takes no room in the row
        max_length=16,
        null=True,
        editable=False,
        help_text="client whose numbered write overwrote it last",
    )
    sequence = models.BigIntegerField(
        null=True, editable=False, help_text="number that the client gave that write"
    )
    changes = models.BigIntegerField(
        default=1, db_default=1, editable=False, help_text="counts the values that it has had"
    )

    class Meta:
        """No table of its own."""

        abstract = True


class Entry(StoredEntry):
    """One key of a task instance, with its JSON value."""

    task_instance = models.ForeignKey(
        TaskInstance, on_delete=models.CASCADE, db_index=False, related_name="entries"
    )
    sampled_at = models.DateTimeField(
        null=True, editable=False, help_text="when its progress was last kept as a sample"
    )

    class Meta:
        """Constraints and indexes, each with its reader."""

        verbose_name_plural = "entries"
        constraints = [
            # also read by every GET, PUT and list: keys of one task instance, in order
            models.UniqueConstraint(
                fields=["task_instance", "key"], name="entry_key_once_per_task_instance"
            ),
            models.CheckConstraint(
                condition=models.Q(version__gte=1), name="entry_version_counts_from_1"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__isnull=True, expires_hour__isnull=True)
                | models.Q(expires_at__isnull=False, expires_hour__isnull=False),
                name="entry_expires_hour_beside_expires_at",
            ),
        ]
        indexes = [
            # read by sweep_expired; the hour, which a renewal every second changes once an hour
            models.Index(
                fields=["expires_hour"],
                condition=models.Q(expires_hour__isnull=False),
                name="entry_by_expires_hour",
            ),
            # read wherever states are counted: whose progress has expired, and waits for the sweep
            models.Index(
                fields=["expires_hour"],
                include=["task_instance"],
                condition=models.Q(key=PROGRESS_KEY, expires_hour__isnull=False),
                name="entry_progress_by_expiry",
            ),
            # read by the admin's filter, newest first; rewritten when an entry begins to expire
            models.Index(
                fields=["-id"],
                condition=models.Q(expires_hour__isnull=True),
                name="entry_never_expires",
            ),
            # read by the admin's search and filter by key, newest first
            models.Index(fields=["key", "-id"], name="entry_by_key"),
        ]

    def __str__(self) -> str:
        return f"{self.task_instance} · {self.key}"

    @property
    def is_progress(self) -> bool:
        """Whether this is the key that the dashboard draws as a bar."""
        return bool(self.key == PROGRESS_KEY)


class Asset(models.Model):
    """A data set; its entries outlive runs."""

    digest = models.BinaryField(max_length=16, unique=True, editable=False)
    name = CodepointField(max_length=ASSET_NAME_MAX)
    uri = CodepointField(max_length=ASSET_NAME_MAX)
    active_at = models.DateTimeField(
        db_default=Now(), help_text="last write, at most 30 seconds older than the true one"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Indexes, each with its reader."""

        indexes = [
            # read by the scan for secrets: what was written lately
            models.Index(fields=["active_at"], name="asset_by_last_write"),
        ]

    def __str__(self) -> str:
        return str(self.name)


class AssetEntry(StoredEntry):
    """One key of an asset, with its JSON value. It never expires."""

    asset = models.ForeignKey(
        Asset, on_delete=models.CASCADE, db_index=False, related_name="entries"
    )

    class Meta:
        """Constraints and indexes, each with its reader."""

        verbose_name_plural = "asset entries"
        constraints = [
            # also read by every GET, PUT and list: keys of one asset, in order
            models.UniqueConstraint(fields=["asset", "key"], name="asset_entry_key_once_per_asset"),
            models.CheckConstraint(
                condition=models.Q(version__gte=1), name="asset_entry_version_counts_from_1"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__isnull=True, expires_hour__isnull=True),
                name="asset_entry_never_expires",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} · {self.key}"


class StoredVersion(models.Model):
    """A value that an entry has had, and who wrote it last.

    The entry's changes are kept in 20 slots, over and over: there is nothing to prune, and
    a change writes a row that is there already. A version is found through its entry; there is no
    foreign key, for none is checked at every write: whoever deletes an entry deletes its versions.
    """

    pk = models.CompositePrimaryKey("entry_id", "slot")
    entry_id = models.BigIntegerField()
    slot = models.SmallIntegerField()
    version = models.BigIntegerField()
    value = models.TextField()
    at = models.DateTimeField()
    writer = models.CharField(max_length=200)
    attempt = models.IntegerField(null=True)

    class Meta:
        """No table of its own."""

        abstract = True

    def __str__(self) -> str:
        return f"version {self.version} of entry {self.entry_id}"


class EntryVersion(StoredVersion):
    """A value that a key of a task instance has had; `progress` has samples instead."""


class AssetEntryVersion(StoredVersion):
    """A value that a key of an asset has had."""


class ProgressSample(models.Model):
    """What was done at a time: at most one in 10 s, for a day."""

    task_instance = models.ForeignKey(
        TaskInstance, on_delete=models.CASCADE, db_index=False, related_name="samples"
    )
    at = models.DateTimeField()
    attempt = models.IntegerField()
    done = models.FloatField()
    total = models.FloatField(null=True)

    class Meta:
        """Read by task instance, newest first; swept by id, which grows with the time."""

        indexes = [models.Index(fields=["task_instance", "-at"], name="sample_of_task_instance")]

    def __str__(self) -> str:
        return f"{self.done:g} at {self.at:%Y-%m-%d %H:%M:%S}"


class SecretFinding(models.Model):
    """A place in an entry that looks like a secret. It counts while it is open and its entry exists."""

    of_asset = models.BooleanField(default=False)
    entry_id = models.BigIntegerField(help_text="of the table that of_asset names")
    owner_id = models.BigIntegerField(help_text="number of the task instance, or of the asset")
    key = CodepointField(max_length=KEY_MAX)
    rule = models.CharField(max_length=100)
    place = models.CharField(max_length=500, blank=True, help_text="where in the value: /a/b/0")
    found_at = models.DateTimeField(db_default=Now())
    dismissed_at = models.DateTimeField(null=True, blank=True, help_text="found to be no secret")
    dismissed_by = models.CharField(max_length=200, default="", blank=True)
    judged = models.TextField(
        db_default="",
        blank=True,
        help_text="keyed digests of the values that were found to be none; empty: of any",
    )

    class Meta:
        """Few rows: of a place at most one is open, and one says what is no secret there."""

        constraints = [
            # also read where values are shown: what of these task instances is hidden, what is none
            models.UniqueConstraint(
                fields=["of_asset", "owner_id", "entry_id", "rule", "place"],
                condition=models.Q(dismissed_at__isnull=True),
                name="secret_finding_open_once",
            ),
            models.UniqueConstraint(
                fields=["of_asset", "owner_id", "entry_id", "rule", "place"],
                condition=models.Q(dismissed_at__isnull=False),
                name="secret_finding_dismissed_once",
            ),
        ]
        indexes = [
            # read by the scan, of each entry that it looks at
            models.Index(
                fields=["of_asset", "owner_id", "entry_id"], name="secret_finding_of_entry"
            ),
            # read by Secrets, newest first, however many of the other kind there are
            models.Index(
                fields=["-id"],
                condition=models.Q(dismissed_at__isnull=True),
                name="secret_finding_open",
            ),
            models.Index(
                fields=["-id"],
                condition=models.Q(dismissed_at__isnull=False),
                name="secret_finding_dismissed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} in {self.key}{self.place}"


class SecretScan(models.Model):
    """How far the scan for secrets has come: one row."""

    changed_until = models.DateTimeField(help_text="what was written before this has been scanned")
    entry_id = models.BigIntegerField(default=0, help_text="where the round over all entries is")
    asset_entry_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"scanned until {self.changed_until:%Y-%m-%d %H:%M:%S}"


class ApiToken(models.Model):
    """A worker's credentials: what they may do, and until when. Stored as a hash, shown once."""

    name = models.CharField(max_length=100, help_text="who uses it, for instance airflow-prod")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    prefix = models.CharField(
        max_length=12, editable=False, help_text="the first characters, to recognise it by"
    )
    rights = models.CharField(max_length=100, default="view,write,clear")
    owner = models.CharField(max_length=150, default="", blank=True, help_text="who answers for it")
    asset_patterns = models.TextField(
        default="*", help_text="assets it may reach, by name, separated by commas"
    )
    dag_patterns = models.TextField(
        default="*", help_text="dags it may reach, separated by commas: sales_*, hr"
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="to the minute")

    class Meta:
        """Newest first."""

        verbose_name = "API token"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class GroupReach(models.Model):
    """What the members of a group reach. Members of no such group reach everything they may."""

    group = models.OneToOneField("auth.Group", on_delete=models.CASCADE, related_name="reach")
    dag_patterns = models.TextField(
        default="*", blank=True, help_text="dags they may reach, separated by commas: sales_*, hr"
    )
    asset_patterns = models.TextField(
        default="*", blank=True, help_text="assets they may reach, by name, separated by commas"
    )

    class Meta:
        """Named for people."""

        verbose_name = "reach of a group"
        verbose_name_plural = "reaches of groups"

    def __str__(self) -> str:
        return f"{self.group}: {self.dag_patterns}"


class AuditEntry(models.Model):
    """What somebody did by hand: who, when, from where, to what, and why."""

    at = models.DateTimeField(db_default=Now())
    who = CodepointField(max_length=200, help_text="user, token or shell that did it")
    action = models.CharField(max_length=32)
    address = CodepointField(
        max_length=64, default="", blank=True, help_text="network address, or the host of a shell"
    )
    dag_id = CodepointField(max_length=ID_MAX, default="", blank=True)
    run_id = CodepointField(max_length=ID_MAX, default="", blank=True)
    task_id = CodepointField(max_length=ID_MAX, default="", blank=True)
    map_index = models.IntegerField(default=MAP_INDEX_NONE)
    asset = CodepointField(max_length=ASSET_NAME_MAX, default="", blank=True)
    key = CodepointField(max_length=KEY_MAX, default="", blank=True)
    detail = models.TextField(default="", blank=True)
    reason = models.CharField(
        max_length=AUDIT_REASON_MAX, default="", blank=True, help_text="why, where they said so"
    )

    class Meta:
        """Newest first; its page reads by id, and by what it filters on."""

        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["who", "-id"], name="audit_by_who"),
            models.Index(fields=["action", "-id"], name="audit_by_action"),
            models.Index(fields=["dag_id", "run_id"], name="audit_by_run"),
            models.Index(fields=["run_id"], name="audit_by_run_alone"),
            models.Index(fields=["task_id"], name="audit_by_task"),
            # read by the filter on an asset, newest first: names are too long for an index of their own
            models.Index(fields=["-id"], condition=models.Q(asset__gt=""), name="audit_of_assets"),
            models.Index(fields=["key"], name="audit_by_key"),
            models.Index(fields=["address"], name="audit_by_address"),
            # read by sweep_audit, and by filters on the time
            models.Index(fields=["at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who}: {self.action}"


class SweepRun(models.Model):
    """One run of the sweep: what it deleted, and how long it took."""

    started_at = models.DateTimeField()
    seconds = models.FloatField()
    deleted = models.IntegerField()
    overdue = models.IntegerField(help_text="expired entries that it left for the next run")
    by_hand = models.BooleanField(
        default=False, db_default=False, help_text="somebody asked for it: it says nothing of beat"
    )

    class Meta:
        """Newest first."""

        ordering = ["-started_at"]
        indexes = [
            # read by the Retention page, /readyz and the sweep's own clean-up
            models.Index(fields=["-started_at"], name="sweep_run_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} deleted {self.deleted}"
