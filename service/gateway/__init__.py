"""The gateway: admits parents, keeps the truth about every order, and is the only way to the broker."""
