from tests.integrations.conftest import workers

__all__ = ["workers"]
