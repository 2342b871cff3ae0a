"""Runs on a cluster of real parts: `make test-cluster` has them, `make test` has not."""
