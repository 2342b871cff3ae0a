"""What a person touches: one file per command, rendering and progress."""
