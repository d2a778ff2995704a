"""Pure decoders and builders, bytes to columns or values; no file, socket or clock."""
