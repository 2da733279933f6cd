"""Pure values and rules: quantities, flags, units, schedules, time ranges and totals. No clock, network or database."""
