"""Which packages a layer holds, and which an image made of layers has. Knows formats, and no vulnerabilities."""
