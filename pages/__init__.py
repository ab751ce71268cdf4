"""What the HTML pages of all programs share: one head, one style, one way to fill a template in."""

from pages.environment import page_environment

__all__ = ["page_environment"]
