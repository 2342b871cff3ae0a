"""What clients are told: results as JSON, and what is wrong as problem details."""
