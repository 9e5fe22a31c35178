"""What the rooms ask of the world: a table, objects, queues. Contracts here, adapters below; no room knows which."""
