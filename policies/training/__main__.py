"""``make train``: every model that ships in policies/models."""

from policies.training import timing

if __name__ == "__main__":
    timing.main()
