"""What a deployment or a run came to: as JSON, and as tables on a terminal."""
