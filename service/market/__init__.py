"""The market of one instrument as it is heard: book, integrity, features."""
