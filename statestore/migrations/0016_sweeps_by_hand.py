"""Sweeps by hand are told from those of beat; a process of the last version need not know of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statestore", "0015_audit_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="sweeprun",
            name="by_hand",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="somebody asked for it: it says nothing of beat",
            ),
        ),
    ]
