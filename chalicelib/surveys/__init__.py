"""What each layer holds, found out in one reading of it and kept: packages for scans, files for advice."""
