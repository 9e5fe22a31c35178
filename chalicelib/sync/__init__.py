"""Images and charts brought elsewhere: by rules as they are pushed, by tasks when somebody asks."""
