"""The program of tests/fake_platformio; see __main__.py."""
