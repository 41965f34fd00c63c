"""Indexes of the filters of the audit; addresses sort by code point."""

from django.db import migrations, models

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
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("asset__gt", "")), fields=["-id"], name="audit_of_assets"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["key"], name="audit_by_key"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["address"], name="audit_by_address"),
        ),
    ]
