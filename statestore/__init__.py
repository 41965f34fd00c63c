"""Statestore keeps the state of running tasks outside the tasks. This module imports nothing."""

__version__ = "0.1.0"
