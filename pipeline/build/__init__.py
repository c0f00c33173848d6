"""Build the firmware with PlatformIO, and read from the image where its bytes go."""
