"""Instances: who they are, where they are reached, how much of their quotas is used."""
