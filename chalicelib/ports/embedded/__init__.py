"""One machine: the table and the queues in SQLite, objects as files, all of it in one data folder."""
