"""Analysers: reduce by SQL, then judge in plain Python; one file each."""
