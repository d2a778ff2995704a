"""Questions over the lake."""
