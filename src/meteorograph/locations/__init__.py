"""Places as data: stored, checked, read from files and written to them."""
