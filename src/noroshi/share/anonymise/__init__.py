"""What leaves is masked here, once, before any format is written."""
