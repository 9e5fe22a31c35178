"""Images from one repository to another, here or elsewhere: one `copy(source, target)` for all who bring images."""
