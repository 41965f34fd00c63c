"""The dashboard: views, and pages in a real Chromium."""
