"""Measurements: each a program that prints figures, none a test that can fail by them."""
