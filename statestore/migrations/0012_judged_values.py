"""Values that were found to be no secret are told apart from what takes their place."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statestore", "0011_findings"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="secretfinding",
            name="secret_finding_once_per_place",
        ),
        migrations.AddField(
            model_name="secretfinding",
            name="judged",
            field=models.TextField(
                blank=True,
                db_default="",
                help_text="keyed digests of the values that were found to be none; empty: of any",
            ),
        ),
        migrations.AddIndex(
            model_name="secretfinding",
            index=models.Index(
                fields=["of_asset", "owner_id", "entry_id"], name="secret_finding_of_entry"
            ),
        ),
        migrations.AddConstraint(
            model_name="secretfinding",
            constraint=models.UniqueConstraint(
                condition=models.Q(("dismissed_at__isnull", True)),
                fields=("of_asset", "owner_id", "entry_id", "rule", "place"),
                name="secret_finding_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="secretfinding",
            constraint=models.UniqueConstraint(
                condition=models.Q(("dismissed_at__isnull", False)),
                fields=("of_asset", "owner_id", "entry_id", "rule", "place"),
                name="secret_finding_dismissed_once",
            ),
        ),
    ]
