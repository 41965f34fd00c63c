"""Runnable programs, which the tests run too."""
