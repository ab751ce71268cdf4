"""What the parts of fine-tuning raise in common."""


class SettingsError(ValueError):
    """A setting that cannot be used; says which file, which key and what would be right."""
