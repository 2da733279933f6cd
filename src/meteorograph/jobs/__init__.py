"""Jobs of the user's own: registered with ``meteorograph.job``, run once over all processes of the service."""
