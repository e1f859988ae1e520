"""Commands of ``rumormill``, by subject. Heavy modules are imported by the commands that need them."""
