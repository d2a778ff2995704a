"""Vulnerabilities and bills of materials."""
