"""Work that takes long: one job writes at a time, the others wait, and their state is kept."""
