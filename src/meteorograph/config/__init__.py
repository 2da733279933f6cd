"""Settings: their fields, their sources, and the messages for invalid values."""
