"""The doing: calls the rooms in order."""
