"""Indexes of the list of findings."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statestore", "0010_scale"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="secretfinding",
            index=models.Index(
                condition=models.Q(("dismissed_at__isnull", True)),
                fields=["-id"],
                name="secret_finding_open",
            ),
        ),
        migrations.AddIndex(
            model_name="secretfinding",
            index=models.Index(
                condition=models.Q(("dismissed_at__isnull", False)),
                fields=["-id"],
                name="secret_finding_dismissed",
            ),
        ),
    ]
