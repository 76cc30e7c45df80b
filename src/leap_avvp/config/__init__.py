"""Where a config enters: composed, explained, checked and hashed; parts and plain values leave."""
