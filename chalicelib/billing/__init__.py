"""Billing: prices, balances and orders, and the steps of an instance's life that follow from what was paid."""
