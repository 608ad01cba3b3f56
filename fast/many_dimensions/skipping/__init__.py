"""The certified skip for S >= 2: which regions of a datum may matter, without an integral."""
