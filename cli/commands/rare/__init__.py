"""Commands that are seldom typed, one file each."""
