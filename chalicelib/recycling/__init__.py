"""The recycle bin as people see it: what was deleted is shown, brought back, or freed before its time."""
