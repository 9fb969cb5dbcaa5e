"""The vocabulary: instruments, market events, orders, commands, events. Imports nothing of ours."""
