"""Pages that people look at: one HTML file each, no scripts, nothing fetched from anywhere."""
