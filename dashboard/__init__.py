"""The dashboard: pages that read through queries and clear through services."""
