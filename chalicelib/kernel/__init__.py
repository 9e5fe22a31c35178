"""Words everybody speaks. Nothing in here reads, writes or waits."""
