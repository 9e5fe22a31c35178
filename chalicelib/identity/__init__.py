"""Identity: proving who somebody is: keys, passwords, and slowing down whoever guesses them."""
