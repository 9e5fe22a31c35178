"""Access: from which client addresses an instance's public address may be used."""
