"""When assets were written to last, for the scan for secrets."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statestore", "0012_judged_values"),
    ]

    operations = [
        migrations.AddField(
            model_name="asset",
            name="active_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="last write, at most 30 seconds older than the true one",
            ),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["active_at"], name="asset_by_last_write"),
        ),
    ]
