"""Other matching engines, given the same orders in the same run."""
