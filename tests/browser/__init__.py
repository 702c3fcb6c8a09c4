"""What people see: the real program and its built pages, in a real browser."""
