"""Sources of rows, and the checks that turn X into one."""
