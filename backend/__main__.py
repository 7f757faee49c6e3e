"""`python -m backend`: the lab from a terminal."""

from backend.cli import main

if __name__ == "__main__":
    main()
