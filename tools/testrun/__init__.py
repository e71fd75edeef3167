"""What tools/run-tests is made of: builds, the pool that runs tests, and the counting of their results."""
