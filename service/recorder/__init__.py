"""Every topic as Parquet with typed columns, and the replay that proves it complete."""
