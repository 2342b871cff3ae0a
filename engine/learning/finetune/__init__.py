"""Training a backbone's last blocks on pictures. Everything below imports torch."""
