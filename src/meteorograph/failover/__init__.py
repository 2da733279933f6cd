"""Work without the database: a SQLite file beside the journal stands in for it while it is away."""
