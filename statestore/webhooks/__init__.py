"""Sending webhooks: what they tell of, how they are signed, where they may go. Knows no database."""
