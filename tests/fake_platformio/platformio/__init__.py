"""Stands in for PlatformIO where tests start it as a program; see __main__.py."""
