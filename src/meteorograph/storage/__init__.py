"""The database: engine, tables, bulk writes, leases and migrations."""
