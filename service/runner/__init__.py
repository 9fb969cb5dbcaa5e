"""Parent orders, policy evaluation, intents: a pure core, and the shell that feeds it."""
