"""Sends stored rows to programs of others: MQTT and Home Assistant, InfluxDB, Telegraf."""
