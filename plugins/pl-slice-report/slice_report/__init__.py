"""Pictures and statistics of NIfTI volumes."""
