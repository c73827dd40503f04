"""`python -m sharptip` is `sharptip`."""

from .app.cli import main

main()
