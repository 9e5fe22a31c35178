"""How a request or a message becomes a call of a room, and how what the room refuses becomes an answer."""
