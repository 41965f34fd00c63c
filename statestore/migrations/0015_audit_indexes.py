"""Indexes of the filters of the audit, which is written to meanwhile."""

from django.db import migrations, models

from statestore.migrations._indexes import AddIndexBesideWrites


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("statestore", "0014_audit_search"),
    ]

    operations = [
        AddIndexBesideWrites(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("asset__gt", "")), fields=["-id"], name="audit_of_assets"
            ),
        ),
        AddIndexBesideWrites(
            model_name="auditentry",
            index=models.Index(fields=["key"], name="audit_by_key"),
        ),
        AddIndexBesideWrites(
            model_name="auditentry",
            index=models.Index(fields=["address"], name="audit_by_address"),
        ),
    ]
