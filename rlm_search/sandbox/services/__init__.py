"""Sandboxes that are services of others: for each, how a program is started there, fed, read and ended."""
