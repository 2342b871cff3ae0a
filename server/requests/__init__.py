"""What clients send: pictures, ids, names of files, addresses to fetch from."""
