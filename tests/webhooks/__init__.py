"""Webhooks: what is told, once; how it is sent, signed and tried again."""
