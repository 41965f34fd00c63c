"""The addresses of the audit sort by code point: no row is rewritten for it."""

from django.db import migrations

import statestore.models


class Migration(migrations.Migration):
    dependencies = [
        ("statestore", "0013_asset_activity"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditentry",
            name="address",
            field=statestore.models.CodepointField(
                blank=True,
                default="",
                help_text="network address, or the host of a shell",
                max_length=64,
            ),
        ),
    ]
