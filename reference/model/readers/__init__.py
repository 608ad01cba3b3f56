"""Networks read from the modules and files of other libraries."""
