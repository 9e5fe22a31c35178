"""Pull policies: which images a namespace does not let be pulled."""
