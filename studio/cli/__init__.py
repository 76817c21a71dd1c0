"""The command line: one file a command, none of which imports anything of the window."""
