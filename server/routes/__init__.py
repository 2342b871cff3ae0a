"""What a service answers, a file for each noun."""
