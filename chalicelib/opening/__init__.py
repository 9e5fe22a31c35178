"""Opening: an instance made whole, with what it is paid by, who gets in and where its content lies."""
