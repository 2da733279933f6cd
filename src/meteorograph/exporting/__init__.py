"""Files, data frames and serialised rows."""
