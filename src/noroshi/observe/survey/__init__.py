"""Surveys of hosts and reports about them."""
