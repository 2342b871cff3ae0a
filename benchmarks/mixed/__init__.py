"""Clients that ask a service for everything at once, and what it has promised them."""
