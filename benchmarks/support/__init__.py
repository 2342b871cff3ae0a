"""What sections share: pictures, stores and weights made for them, and tools run in processes."""
