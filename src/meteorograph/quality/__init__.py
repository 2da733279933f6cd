"""Quality checks of values and rows. Pure: they add flags and never change a value."""
