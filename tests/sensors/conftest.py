from tests.runs import platform, sandbox_url

__all__ = ("platform", "sandbox_url")
