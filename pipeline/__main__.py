"""``python -m pipeline`` is the console command ``espalier``."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
