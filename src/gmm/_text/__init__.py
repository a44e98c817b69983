"""Number formatting and HTML shared by terminal output, notebooks, reports and pictures."""
