"""The statements that the ORM cannot say, or not in one round trip. Split by subject."""
