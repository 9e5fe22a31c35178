"""What an image's makers could do better, from its own config and layers."""
