"""The fallback database: collection goes on in a local SQLite file while the database is away."""
