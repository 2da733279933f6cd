"""Long work that any process of the service does, a part at a time, and that another one goes on with after a crash."""
