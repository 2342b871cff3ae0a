"""Whom a service lets in, and what it tells browsers not to do."""
