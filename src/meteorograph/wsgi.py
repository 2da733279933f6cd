"""The application for WSGI servers that take an object and not a factory: ``uwsgi --module meteorograph.wsgi:app``."""

from __future__ import annotations

from .web.app import create_app

#: Made when the server imports this module, with the settings of the environment and of ``.env``.
app = create_app()

#: The name that uwsgi and mod_wsgi look for if they are given the module only.
application = app
