"""Small copies of pictures, in memory and on disk; to lose one costs time only."""
