"""Accounts with providers: quotas, key states, and the plan of calls."""
