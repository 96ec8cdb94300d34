"""Fault: something that the user can mend, said in one line."""


class Fault(Exception):
    """The command ends with exit code 2 and this line."""
