"""Commands of ``rumormill``, by subject. Each command imports the heavy modules it needs."""
