"""Indexes that lists and searches of a million entries need."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statestore", "0009_webhooks"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("expires_hour__isnull", False), ("key", "progress")),
                fields=["expires_hour"],
                include=("task_instance",),
                name="entry_progress_by_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("expires_hour__isnull", True)),
                fields=["-id"],
                name="entry_never_expires",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["key", "-id"], name="entry_by_key"),
        ),
        migrations.AddIndex(
            model_name="taskinstance",
            index=models.Index(fields=["run_id"], name="task_instance_by_run_alone"),
        ),
        migrations.AddIndex(
            model_name="taskinstance",
            index=models.Index(fields=["task_id"], name="task_instance_by_task"),
        ),
    ]
