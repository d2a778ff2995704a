"""Findings as rows: CSV and JSON lines, in our columns or in those of Shadowserver's reports."""
