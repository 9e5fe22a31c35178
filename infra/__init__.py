"""How the service gets onto AWS: the template, the package, and what deploys them. `docs/aws.md` is the guide."""
