"""Alerts: rules are evaluated on stored rows; incidents and messages are stored together, and messages sent afterwards."""
