"""Settings: their fields, where they are read from, and the messages for wrong ones."""
